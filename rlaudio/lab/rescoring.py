"""A reward's values for stored or made-up completions; what goes wrong is told, not thrown."""

from __future__ import annotations

import inspect
import io
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rlaudio.scoring import RewardSum
from rlaudio.types import Group, RewardFailure

_KEPT = 400  # characters of what a reward prints


@dataclass(eq=False)
class Printed(io.TextIOBase):
    """What a reward printed: how many lines, and how they begin."""

    lines: int = 0
    beginning: str = ""

    def write(self, text: str) -> int:
        self.lines += text.count("\n")
        if len(self.beginning) < _KEPT:
            self.beginning = (self.beginning + text)[:_KEPT]
        return len(text)

    @contextmanager
    def captured(self) -> Iterator[None]:
        """Keep what is printed within the block from the terminal."""
        with redirect_stdout(self), redirect_stderr(self):
            yield


@dataclass(frozen=True, eq=False)
class Candidate:
    """A reward that is tried: a function with its options, its weight, and what it printed so far."""

    name: str
    function: Callable[..., Any]
    weight: float
    seconds: float | None  # in which the next value must come
    printed: Printed = field(default_factory=Printed)
    place: str = ""  # the name of the run's reward whose place it takes; empty: that of its own name

    @property
    def per_group(self) -> bool:
        """Whether it is called with a whole group."""
        return next(iter(inspect.signature(self.function).parameters), "") == "group"

    def values(self, steps: Sequence[Sequence[Group]]) -> Rescored:
        """The reward of every completion of these steps, each scored as a whole.

        Raises RewardStop where the reward ends the process or gives nothing within its time.
        """
        scores = RewardSum(
            {self.name: (self.function, self.weight)}, 1.0, seconds=self.seconds, tell_dropped=False
        )
        began = time.perf_counter()
        with self.printed.captured():
            scored = [group for step in steps for group in scores.score(step)]
        return Rescored(
            [group.rewards[self.name] for group in scored],
            [failure for group in scored for failure in group.failures],
            time.perf_counter() - began,
        )


@dataclass(frozen=True, eq=False)
class Rescored:
    """Values of a reward, by group [G], NaN where it gave none."""

    by_group: list[np.ndarray]
    failures: list[RewardFailure]
    seconds: float

    @property
    def values(self) -> np.ndarray:
        """Of all completions [N]."""
        return np.concatenate(self.by_group) if self.by_group else np.zeros(0)
