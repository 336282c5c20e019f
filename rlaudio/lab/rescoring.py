"""A reward's values for stored or made-up completions; what goes wrong is told, not thrown."""

from __future__ import annotations

import inspect
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import Any, BinaryIO, TextIO

import numpy as np

from rlaudio.scoring import RewardSum
from rlaudio.types import Group, RewardFailure

_KEPT = 400  # characters of what a reward prints
_STDOUT, _STDERR = 1, 2  # descriptors


@dataclass(eq=False)
class Printed:
    """What a reward printed: how many lines, and how they begin."""

    lines: int = 0
    beginning: str = ""

    @contextmanager
    def captured(self) -> Iterator[None]:
        """Keep from the terminal what is printed within the block, or written to stdout in another way."""
        with TemporaryFile(buffering=0) as file:
            try:
                with (
                    _stdout_in(file),
                    _text(_STDOUT, closefd=False) as out,
                    _text(os.dup(file.fileno())) as err,
                    redirect_stdout(out),
                    redirect_stderr(err),
                ):
                    yield
            finally:
                file.seek(0)
                self._keep(file)

    def _keep(self, file: BinaryIO) -> None:
        beginning = file.read(4 * _KEPT)
        self.beginning = (self.beginning + beginning.decode(errors="replace"))[:_KEPT]
        self.lines += beginning.count(b"\n")
        while block := file.read(2**20):
            self.lines += block.count(b"\n")


@contextmanager
def _text(descriptor: int, *, closefd: bool = True) -> Iterator[TextIO]:
    """A stream to a descriptor, closed behind the block if the code within it has not done so."""
    stream = os.fdopen(
        descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=closefd
    )
    try:
        yield stream
    finally:
        with suppress(ValueError):  # its buffer is detached
            stream.close()


@contextmanager
def _stdout_in(file: BinaryIO) -> Iterator[None]:
    """Within the block the descriptor of stdout leads to the file; that of stderr stays, for the log.

    After it both lead where they did.
    """
    with suppress(AttributeError, ValueError):  # there is none, or it is closed
        sys.stdout.flush()
    before = {}
    for descriptor in (_STDOUT, _STDERR):
        with suppress(OSError):  # it is closed
            before[descriptor] = os.dup(descriptor)
    try:
        os.dup2(file.fileno(), _STDOUT)
        yield
    finally:
        for descriptor, copy in before.items():
            os.dup2(copy, descriptor)
            os.close(copy)
        if _STDOUT not in before:
            os.close(_STDOUT)


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
