"""The protocol of rollout workers, for any engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch

from rlaudio.types import Group, Prompt, SamplingParams

SeedKey = tuple[int | str, ...]  # (run seed, stage, step); the worker adds item and sample


class EngineDied(ConnectionError):
    """The engine of a worker has died; a new worker may answer the same request."""


class RolloutWorker(Protocol):
    """Completes prompts. The same key, item and sample number always draw the same random numbers."""

    weights_version: int

    def generate(self, prompts: Sequence[Prompt], sampling: SamplingParams, key: SeedKey) -> list[Group]:
        """One group of `sampling.group_size` completions per prompt, in the order of the prompts.

        Raises EngineDied where there is an engine that can die.
        """

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]], version: int) -> None:
        """Load the named tensors; completions from now on carry `version`.

        Raises EngineDied where there is an engine that can die.
        """

    def sleep(self) -> None:
        """Free memory, where possible, until the next call of another method."""

    def close(self) -> None:
        """Free memory, end processes, and refuse to generate from now on."""


@runtime_checkable
class LogprobWorker(Protocol):
    """Says how likely given completions are; a worker that can does so beside sampling."""

    def completion_logprobs(
        self, prompts: Sequence[Prompt], completions: Sequence[Sequence[np.ndarray]]
    ) -> list[np.ndarray]:
        """Log-probs [O] float64, in nats, of each prompt's completions, token ids [C] each with a stop token.

        That of a completion is the sum over its tokens, at temperature 1 and of the whole vocabulary but for
        media placeholders.
        """

    def close(self) -> None:
        """Free memory, end processes, and refuse to answer from now on."""


def as_logprob_worker(worker: object) -> LogprobWorker:
    """The worker, which says how likely given completions are. Raises ValueError for another."""
    if not isinstance(worker, LogprobWorker):
        raise ValueError(
            f"{type(worker).__name__} samples and does not say how likely given options are; expected a "
            "rollout worker with completion_logprobs: set rollout.use to transformers, or "
            "contribution.use to vote"
        )
    return worker
