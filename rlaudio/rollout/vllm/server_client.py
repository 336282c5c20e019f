"""A client of one vLLM server that serves one model family."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from rlaudio.rollout.completions import SampledTokens
from rlaudio.rollout.vllm.http import NoAnswer, Service
from rlaudio.rollout.vllm.server_process import ServerProcess
from rlaudio.rollout.vllm.weights import ServerSender
from rlaudio.rollout.worker import EngineDied

GENERATE = "inference/v1/generate"
IMPOSSIBLE = -9999.0  # how a server writes the log-prob of a token that cannot be sampled


class ServerClient:
    """A client of the server that `service` reaches, and whose process is `started` if it was started here.

    A request that is cut off or fails is repeated for `patience` seconds from the first failure on.
    """

    def __init__(self, service: Service, started: ServerProcess | None, patience: float):
        self.service = service
        self.in_flight = 0  # requests; counted by whoever shares them out
        self.counts = (0, 0)  # prompt tokens, and those of them in the prefix cache, when it was last asked
        self._started = started
        self._patience = patience

    @property
    def url(self) -> str:
        """Where the server listens."""
        return self.service.url

    def sample(self, body: dict[str, Any], report: int, label: str) -> list[SampledTokens]:
        """The completions of a request, `report` likeliest tokens beside each token.

        Raises EngineDied, and RuntimeError where other weights than those of this label sampled them.
        """
        return [self._tokens(choice, report, label) for choice in self._ask(body)["choices"]]

    def load(self, sender: ServerSender, label: str) -> None:
        """Load what the sender holds, and empty all caches that depend on the weights. Raises EngineDied."""
        try:
            sender.send(self.service)
            for cache in ("encoder", "mm"):
                self.service.post(f"reset_{cache}_cache")
            if not self.service.post("reset_prefix_cache")["success"]:
                raise RuntimeError(f"{self.url}: vLLM kept its prefix cache: requests were still running")
            self.service.post("update_weight_version", {"new_version": label})
        except NoAnswer as silence:
            raise self.death(silence) from silence

    def count(self) -> tuple[int, int]:
        """Prompt tokens of requests of all clients so far, and those that were in the prefix cache.

        Raises EngineDied.
        """
        try:
            lines = self.service.text("metrics").splitlines()
        except NoAnswer as silence:
            raise self.death(silence) from silence
        self.counts = (
            _counter(lines, "vllm:prefix_cache_queries_total"),
            _counter(lines, "vllm:prefix_cache_hits_total"),
        )
        return self.counts

    def death(self, silence: NoAnswer) -> EngineDied:
        """Why the server is gone: how its process ended, where that is known, or that it does not answer."""
        ended = self._started.ended if self._started else ""
        return EngineDied(ended or str(silence))

    def _ask(self, body: dict[str, Any]) -> dict[str, Any]:
        """The server's answer to the request, repeated while there is none. Raises EngineDied."""
        deadline, pause = math.inf, 0.1
        while True:
            try:
                answer: dict[str, Any] = self.service.post_long(GENERATE, body, self._patience)
                return answer
            except NoAnswer as silence:
                if self._started and self._started.ended:
                    raise self.death(silence) from silence
                now = time.monotonic()
                deadline = min(deadline, now + self._patience)
                if now + pause > deadline:
                    raise EngineDied(
                        f"no answer for {self._patience:g} s (rollout.patience): {silence}"
                    ) from silence
            time.sleep(pause)
            pause = min(2 * pause, 5.0)

    def _tokens(self, choice: dict[str, Any], report: int, label: str) -> SampledTokens:
        sampled_by = {span["version"] for span in choice["weight_versions"] or ()}
        if label and sampled_by != {label}:
            raise RuntimeError(
                f"weights {', '.join(sorted(sampled_by)) or 'without a name'} sampled a completion; expected "
                f"{label}: something else than this run sends weights to {self.url}"
            )
        content = choice["logprobs"]["content"]
        return SampledTokens(
            token_ids=np.array(choice["token_ids"], dtype=np.int64),
            logprobs=np.array([token["logprob"] for token in content], dtype=np.float32),
            likeliest=tuple(_likeliest(token["top_logprobs"], report) for token in content) if report else (),
            finish_reason=choice["finish_reason"],
        )


def _counter(lines: Sequence[str], name: str) -> int:
    return int(sum(float(line.split()[-1]) for line in lines if line.startswith(f"{name}{{")))


def _likeliest(tokens: Sequence[dict[str, Any]], report: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids and log-probs of the `report` likeliest tokens; the sampled one is first, whatever its rank."""
    ranked = sorted((token for token in tokens if token["rank"] <= report), key=lambda token: token["rank"])
    ids = np.array([token["token_id"] for token in ranked], dtype=np.int64)
    logprobs = np.array([token["logprob"] for token in ranked], dtype=np.float32)
    logprobs[logprobs <= IMPOSSIBLE] = -np.inf
    return ids, logprobs
