"""An engine of one or several vLLM servers that hold the same weights.

A request goes to the server with the fewest in flight. Equal requests have equal answers, so results do not
depend on how many servers there are, nor on which of them answers. One that dies is left out, and its
requests are repeated elsewhere; the engine dies with the last. But for a server that dies while NCCL sends it
weights: the run then waits, and must be killed and resumed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import torch

from rlaudio.models.family import ModelFamily
from rlaudio.rollout.completions import SampledTokens
from rlaudio.rollout.vllm.requests import HttpPrompts, sampling_options, together, whole_groups
from rlaudio.rollout.vllm.server_client import ServerClient
from rlaudio.rollout.vllm.weights import ServerSender
from rlaudio.rollout.worker import EngineDied
from rlaudio.types import Prompt, SamplingParams

logger = logging.getLogger(__name__)
Item = TypeVar("Item")
Result = TypeVar("Result")

AT_ONCE = 128  # requests in flight to each server, which queues those beyond its capacity


class Replicas:
    """The servers of one run, in one of its processes.

    `run` begins the labels of the weights that this run sends. `sender` is set where they are sent.
    """

    awake = True

    def __init__(
        self,
        family: ModelFamily,
        servers: Sequence[ServerClient],
        run: str,
        *,
        prompts: HttpPrompts,
        step_tokens: int | None,
        opened: ExitStack,
    ):
        self.vocabulary = prompts.vocabulary
        self.label = ""  # of the weights that this run has sent
        self.sender: ServerSender | None = None
        self.opened = opened
        self.live: tuple[ServerClient, ...] = tuple(servers)
        self._servers = tuple(servers)
        self._family = family
        self._run = run
        self._prompts = prompts
        self._step_tokens = step_tokens
        self._lock = threading.Lock()
        self._alone: ServerClient | None = None  # that is asked, and no other
        self._last_death = EngineDied("another process of this run found it dead; its log says why")
        self._threads = ThreadPoolExecutor(AT_ONCE * len(self._servers), thread_name_prefix="requests")
        opened.callback(self._threads.shutdown)

    @property
    def prompt_tokens(self) -> int:
        """Prompt tokens of requests of all clients so far; every sample of a group is a request."""
        return self._counted()[0]

    @property
    def cached_tokens(self) -> int:
        """Prompt tokens that were in the prefix cache."""
        return self._counted()[1]

    def sample(
        self, prompts: Sequence[Prompt], sampling: SamplingParams, report: int, seeds: Sequence[int]
    ) -> list[list[SampledTokens]]:
        """The tokens of every prompt's group, `report` likeliest tokens beside each. Raises EngineDied."""
        bodies = [
            self._prompts.body(prompt)
            | {"sampling_params": sampling_options(self._family, sampling, report, seed)}
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]
        groups: list[list[SampledTokens]] = []
        for part in together(prompts, sampling.group_size, self._step_tokens):
            groups += self._at_once(lambda body: self._sample_one(body, report), bodies[part])
        return whole_groups(groups, sampling)

    def update(self, weights: Iterable[tuple[str, torch.Tensor]], version: int) -> None:
        """Load tensors named as in the checkpoint on every server. Raises EngineDied."""
        assert self.sender is not None
        sender, label = self.sender, self.label_of(version)

        def load(server: ServerClient) -> None:
            with self.unless_it_dies(server):
                server.load(sender, label)

        with sender.holding(weights):
            if sender.at_once:
                self._at_once(load, self.live)
            else:
                for server in self.live:
                    load(server)
        self.label = label

    def label_of(self, version: int) -> str:
        """The label of this run's weights on the servers, different from another run's."""
        return f"{self._run}-{version}"

    @property
    def dead(self) -> frozenset[str]:
        """The addresses of servers that have been left out."""
        return frozenset(server.url for server in self._servers) - {server.url for server in self.live}

    def leave_out(self, urls: Iterable[str]) -> None:
        """Ask these servers no more. Raises EngineDied where none is left."""
        gone = frozenset(urls)
        with self._lock:
            self.live = tuple(server for server in self.live if server.url not in gone)
        self._refuse_none_left()

    @contextmanager
    def unless_it_dies(self, server: ServerClient) -> Iterator[None]:
        """Leave the server out if it dies in the block. Raises EngineDied where none is left."""
        try:
            yield
        except EngineDied as death:
            self._bury(server, death)

    @contextmanager
    def alone(self, server: ServerClient) -> Iterator[None]:
        """Ask this server alone in the block, which ends if it dies; it is then left out.

        Raises EngineDied where none is left.
        """
        self._alone = server
        try:
            yield
        except EngineDied:
            if server in self.live or not self.live:
                raise
        finally:
            self._alone = None

    def sleep(self) -> None:
        """Nothing: the servers' memory is not training's."""

    def close(self) -> None:
        """Stop the servers that were started here, and remove the weights that were sent."""
        self.opened.close()

    def _at_once(self, call: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """What the call returns for each item; nothing is still under way afterwards, even if it raised."""
        calls = [self._threads.submit(call, item) for item in items]
        try:
            return [done.result() for done in calls]
        finally:  # a request that went on would reach a server while it loads the next weights
            for waiting in calls:
                waiting.cancel()
            wait(calls)

    def _sample_one(self, body: dict[str, Any], report: int) -> list[SampledTokens]:
        """The completions of one request, by the first server that answers it."""
        while True:
            with self._lock:
                asked = [server for server in self.live if self._alone in (None, server)]
                if not asked:
                    raise self._last_death
                server = min(asked, key=lambda candidate: candidate.in_flight)
                server.in_flight += 1
            try:
                return server.sample(body, report, self.label)
            except EngineDied as death:
                self._bury(server, death)
            finally:
                with self._lock:
                    server.in_flight -= 1

    def _bury(self, server: ServerClient, death: EngineDied) -> None:
        """Leave a dead server out, and say so once. Raises EngineDied where none is left."""
        with self._lock:
            self._last_death = death
            left = tuple(other for other in self.live if other is not server)
            known, self.live = left == self.live, left
        if len(self._servers) > 1 and not known:
            logger.warning("%s is left out, and its work repeated by other servers: %s", server.url, death)
        self._refuse_none_left()

    def _refuse_none_left(self) -> None:
        if not self.live:
            many = f"all {len(self._servers)} servers are gone; the last: " if len(self._servers) > 1 else ""
            raise EngineDied(f"{many}{self._last_death}") from self._last_death

    def _counted(self) -> tuple[int, int]:
        """Both counts of all servers, as a dead one last told them."""
        for server in self.live:
            with self.unless_it_dies(server):
                server.count()
        return sum(server.counts[0] for server in self._servers), sum(
            server.counts[1] for server in self._servers
        )
