"""The protocol of rollout workers, for any engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

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
