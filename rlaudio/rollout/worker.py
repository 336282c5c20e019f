"""What every rollout worker can do, whichever engine is behind it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import torch

from rlaudio.types import Group, Prompt, SamplingParams

SeedKey = tuple[int | str, ...]  # (run seed, stage, step); the worker adds item and sample


class EngineDied(ConnectionError):
    """The engine behind a worker is gone; a new worker may answer what it was asked."""


class RolloutWorker(Protocol):
    """Completes prompts. The same key, item and sample number always draw the same random numbers."""

    weights_version: int

    def generate(self, prompts: Sequence[Prompt], sampling: SamplingParams, key: SeedKey) -> list[Group]:
        """One group of `sampling.group_size` completions per prompt, in the order of the prompts.

        Raises EngineDied where there is an engine that can die.
        """

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]], version: int) -> None:
        """Take the named tensors over; completions from now on carry `version`.

        Raises EngineDied where there is an engine that can die.
        """

    def sleep(self) -> None:
        """Give memory back, where that is possible, until the next call of one of the others."""

    def close(self) -> None:
        """Give memory and processes back, and refuse to generate from now on."""
