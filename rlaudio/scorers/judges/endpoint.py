"""A language model behind an OpenAI-compatible server (`vllm serve`, a vendor's) grades answers as text.

It is asked about several answers at a time, what may pass is asked again, and what it said is kept on disk:
found again by address, model and all of the request, so by the prompt, too. docs/endpoints.md says what fails
how.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from rlaudio.scorers.judging import Asked, JudgeFailed
from rlaudio.utils.bounded_reading import read_bytes
from rlaudio.utils.endpoint.address import Address
from rlaudio.utils.endpoint.client import (
    CONCURRENCY,
    MAX_TOKENS,
    RETRY_SECONDS,
    TIMEOUT_SECONDS,
    Asking,
    Client,
    Request,
)
from rlaudio.utils.endpoint.failures import RequestFailed

logger = logging.getLogger(__name__)

PROMPT = Path(__file__).with_name("open_answer.txt")
_LARGEST_PROMPT = 1_000_000  # bytes of a prompt's file
_PLACES = re.compile(r"\{(question|answer|text)\}")


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Asks the model; the object is called with question, reference answer and text."""

    url: str  # in front of /v1; commas between several servers
    model: str  # as the server calls it
    prompt: Path | None = None  # file with {question}, {answer} (the reference) and {text}; none: rlaudio's
    system: str = ""  # system message; empty: none
    max_tokens: int = MAX_TOKENS  # of a reply
    temperature: float = 0.0  # greedy: the same verdict each time; MMAU-Pro's script draws at 0.1
    concurrency: int = CONCURRENCY  # requests at a time
    timeout: float = TIMEOUT_SECONDS  # seconds in which a request must be answered
    retry_seconds: float = RETRY_SECONDS  # for which a request is repeated, from its first failure on
    folder: Path | None = None  # of the replies that are kept; none: below ~/.cache/rlaudio

    def __post_init__(self) -> None:
        """Raises ValueError for an address that is none and for a prompt without {text}, OSError."""
        Address.of(self.url, self.model)
        if min(self.max_tokens, self.concurrency) < 1 or not self.timeout > 0:
            raise ValueError(
                f"max_tokens {self.max_tokens}, concurrency {self.concurrency}, timeout {self.timeout:g}; "
                "expected at least one token, one request at a time, and some seconds"
            )
        if "{text}" not in self._template:
            raise ValueError(
                f"the judge's prompt {self.prompt} has no {{text}}, where the answer to grade is to stand"
            )

    def __call__(self, question: str, answer: str, text: str) -> str:
        """What the model says of an answer. Raises JudgeFailed."""
        return self._reply((question, answer, text), threading.Event())

    async def ask(self, question: str, answer: str, text: str) -> str:
        """As a call; many may be awaited at a time, and equal ones get the verdict of one request."""
        asked = (question, answer, text)
        if asked not in self._on_the_way:
            self._on_the_way[asked] = _Asking(self._pool, self._reply, asked)
        asking = self._on_the_way[asked]
        try:
            return await asking.reply()
        finally:
            if not asking.waiting:
                asking.end()  # nobody waits for it any more: it is not repeated
                self._on_the_way.pop(asked, None)

    def ask_ahead(self, asked: Sequence[Asked]) -> None:
        """Ask about all of them, so that the calls that follow find what was said on disk.

        Raises JudgeFailed for a failure that all requests would meet, such as a key that is refused.
        """
        replies = self._client.ask_all(list(dict.fromkeys(asked)), self._request)
        for reply in replies:
            if isinstance(reply, RequestFailed) and reply.ends_all:
                raise self._failed(reply) from reply

    def __str__(self) -> str:
        return f"judge {self._client.address.name}"

    def _reply(self, asked: Asked, stop: threading.Event) -> str:
        try:
            return self._client.ask_one(self._request(asked), stop).text
        except RequestFailed as failure:
            raise self._failed(failure) from failure

    def _failed(self, failure: RequestFailed) -> JudgeFailed:
        kept = self._client.answers.folder
        return JudgeFailed(
            f"{self} gave no verdict: {type(failure).__name__}: {failure}; what it said so far is kept in "
            f"{kept}"
        )

    def _request(self, asked: Asked) -> Request:
        parts = dict(zip(("question", "answer", "text"), asked, strict=True))
        content = _PLACES.sub(lambda place: parts[place[1]], self._template)
        system = [{"role": "system", "content": self.system}] if self.system else []
        return Request([*system, {"role": "user", "content": content}], self.max_tokens, self.temperature)

    @cached_property
    def _template(self) -> str:
        content = read_bytes(
            self.prompt or PROMPT, _LARGEST_PROMPT, "a judge's prompt", "is it the path of one?"
        )
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(f"the judge's prompt {self.prompt} is not UTF-8 text: {error}") from error

    @cached_property
    def _client(self) -> Client:
        asking = Asking(
            concurrency=self.concurrency,
            timeout_seconds=self.timeout,
            retry_seconds=self.retry_seconds,
            folder=self.folder,
        )
        return Client(Address.of(self.url, self.model), asking)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.concurrency, "judge")

    @cached_property
    def _on_the_way(self) -> dict[Asked, _Asking]:
        return {}


class _Asking:
    """A request on its way, for which several may wait; the others get it when somebody stops waiting."""

    def __init__(
        self, pool: ThreadPoolExecutor, reply: Callable[[Asked, threading.Event], str], asked: Asked
    ) -> None:
        self.waiting = 0
        self._stop = threading.Event()
        self._reply = pool.submit(reply, asked, self._stop)

    async def reply(self) -> str:
        """What was said. Raises what the request raised."""
        waiter: Future[str] = Future()
        self._reply.add_done_callback(partial(_copy, waiter))
        self.waiting += 1
        try:
            return await asyncio.wrap_future(waiter)
        finally:
            self.waiting -= 1

    def end(self) -> None:
        """Ask no more."""
        self._stop.set()
        self._reply.cancel()


def _copy(to: Future[str], done: Future[str]) -> None:
    if not to.set_running_or_notify_cancel() or done.cancelled():
        return
    if (failure := done.exception()) is not None:
        to.set_exception(failure)
    else:
        to.set_result(done.result())
