"""Asks a model behind an endpoint: many requests at a time, each repeated where that is safe, none twice.

A judge of open answers is a few lines on `ask`:

    judged = ask(url, model, [[{"role": "user", "content": text}] for text in texts], max_tokens=64)

It gives, for every conversation, a `Reply` or the `RequestFailed` that says why there is none.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

from rlaudio.utils.cache_root import cache_root
from rlaudio.utils.endpoint.address import Address, completions_of, key_from_environment
from rlaudio.utils.endpoint.costs import Meter, Price
from rlaudio.utils.endpoint.failures import (
    BadAnswer,
    GaveUp,
    NotAsked,
    RequestFailed,
    RequestRefused,
    Transient,
)
from rlaudio.utils.endpoint.posting import post
from rlaudio.utils.endpoint.replies import Answers, Reply, read_reply
from rlaudio.utils.endpoint.servers import Servers

logger = logging.getLogger(__name__)

Message = Mapping[str, Any]  # of a conversation: {"role": ..., "content": ...}
_Item = TypeVar("_Item")


CONCURRENCY = 8
TIMEOUT_SECONDS = 120.0
RETRY_SECONDS = 300.0
MAX_TOKENS = 512  # of a judge's reply


_patience: list[float] = []  # seconds, of the blocks that are entered


@contextmanager
def impatient(seconds: float) -> Iterator[None]:
    """Within the block requests of this process wait and are repeated for so many seconds at most."""
    _patience.append(seconds)
    try:
        yield
    finally:
        _patience.pop()


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How endpoints are asked."""

    concurrency: int = CONCURRENCY  # requests at a time
    timeout_seconds: float = TIMEOUT_SECONDS  # of one request
    retry_seconds: float = RETRY_SECONDS  # for which a request is repeated, from its first failure on
    first_wait_seconds: float = 1.0  # before the first retry; it doubles with every other
    longest_wait_seconds: float = 30.0
    price: Price | None = None
    folder: Path | None = None  # of the answers that are kept; None: below rlaudio's cache root


@dataclass(frozen=True)
class Request:
    """A conversation to be completed, and how; the default is greedy."""

    messages: Sequence[Message]
    max_tokens: int
    temperature: float = 0.0
    more: Mapping[str, Any] = field(default_factory=dict)  # other keys of the body, such as top_p and seed

    def body(self, model: str) -> bytes:
        """The JSON that is sent: all that an answer depends on, apart from the server."""
        keys = {"model": model, "max_tokens": self.max_tokens, "temperature": self.temperature}
        return json.dumps({**keys, **self.more, "messages": list(self.messages)}).encode()


def ask(
    url: str,
    model: str,
    conversations: Sequence[Sequence[Message]],
    *,
    max_tokens: int = MAX_TOKENS,
    asking: Asking | None = None,
) -> list[Reply | RequestFailed]:
    """The greedy answer to every conversation, or why there is none, in their order.

    Answers are kept on disk and asked once. Raises ValueError for an address or a key that is none.
    """
    client = Client(Address.of(url, model), asking)
    return client.ask_all(conversations, lambda messages: Request(messages, max_tokens))


class Client:
    """Asks one model, counts what that costs, and keeps the answers."""

    def __init__(self, address: Address, asking: Asking | None = None) -> None:
        self.address = address
        self.asking = asking or Asking()
        self.answers = Answers(self.asking.folder or cache_root() / "endpoint_answers")
        self.meter = Meter()
        self._servers = Servers(address.urls)
        self._key = key_from_environment()
        self._told = False  # that a request is repeated
        self._gave_up = -math.inf  # when a request was last given up, by the monotonic clock

    def ask_all(
        self, items: Sequence[_Item], request_of: Callable[[_Item], Request]
    ) -> list[Reply | RequestFailed]:
        """For every item the reply to its request, which is made when its turn comes, or why there is none.

        After a failure that other requests would meet as well the rest is not asked. When this is
        interrupted, requests on their way are waited for, and their answers kept.
        """
        stop, start = threading.Event(), time.monotonic()

        def answer(item: _Item) -> Reply | RequestFailed:
            if stop.is_set():
                return NotAsked("not asked after a failure that all requests would meet")
            try:
                return self.ask_one(request_of(item), stop)
            except RequestFailed as failure:
                if failure.ends_all:
                    stop.set()
                return failure

        with ThreadPoolExecutor(self.asking.concurrency, "endpoint") as pool:
            try:
                futures = [pool.submit(answer, item) for item in items]
                return [future.result() for future in futures]
            finally:
                stop.set()  # wakes those that wait for a retry
                pool.shutdown(cancel_futures=True)
                self.meter.add(seconds=time.monotonic() - start)

    def ask_one(self, request: Request, stop: threading.Event) -> Reply:
        """The reply to one request, kept or new; may be called in several threads.

        Once `stop` is set it is not repeated any more. Raises RequestFailed.
        """
        body = request.body(self.address.model)
        key = blake2b(b"\0".join([self.address.first.encode(), body]), digest_size=20).hexdigest()
        kept = self.answers.get(key)
        if kept is not None:
            self.meter.add(cached=1)
            return kept
        reply = self._asked(body, stop)
        self.meter.add_reply(reply)
        self.answers.put(key, reply)
        return reply

    def _asked(self, body: bytes, stop: threading.Event) -> Reply:
        """The reply, after as many tries as it takes and is allowed.

        For `retry_seconds` after a request was given up others get a single try at each server, until one is
        answered: else a step would wait on a dead server for as many times as it asks.
        """
        asking = self.asking
        tries, began, wait = 0, 0.0, asking.first_wait_seconds
        while True:
            tries += 1
            self.meter.add(requests=1, retries=tries > 1)
            try:
                reply = self._try(body)
                self._gave_up = -math.inf
                return reply
            except Transient as error:
                now = time.monotonic()
                began = began if tries > 1 else now
                others = self._servers.any_left()
                pause = 0.0 if others else max(wait, error.wait_seconds or 0.0)
                if now < self._gave_up + self._retry_seconds and not others:
                    raise GaveUp(
                        f"{error}; not repeated so soon after another request was given up"
                    ) from error
                if now + pause > began + self._retry_seconds:
                    self._gave_up = now
                    asked = f", and asks to wait {error.wait_seconds:g} s" if error.wait_seconds else ""
                    raise GaveUp(
                        f"{error}{asked}; given up at try {tries}, {now - began:.0f} s after the first failed"
                    ) from error
                self._tell(error)
                if stop.wait(pause):
                    raise NotAsked(f"{error}; not repeated after the failure of another request") from error
                wait = min(2 * wait, asking.longest_wait_seconds)

    def _try(self, body: bytes) -> Reply:
        """One try at one of the servers. Raises RequestFailed."""
        timeout = min([self.asking.timeout_seconds, *_patience])
        with self._servers.lend() as server:
            url = completions_of(server)
            content = post(url, body, key=self._key, timeout_seconds=timeout)
            try:
                return read_reply(content)
            except (BadAnswer, RequestRefused) as failure:
                raise type(failure)(f"{url}: {failure}") from failure

    @property
    def _retry_seconds(self) -> float:
        """For how long a request is repeated now."""
        return min([self.asking.retry_seconds, *_patience])

    def _tell(self, error: Transient) -> None:
        """Log the first request that is repeated, so that nobody wonders why nothing goes on."""
        level = logging.DEBUG if self._told else logging.WARNING
        self._told = True
        logger.log(level, "%s; such requests are repeated for %g s", error, self._retry_seconds)
