"""Independent computations on a CPU side by side, each by a thread that computes alone.

Threads that share each operation wait for each other in every one of them, and a step of a small model is
thousands of short ones. Two halves of its rows, each computed by one thread, take 0.7 times as long; see
"Against an older version" in docs/results.md. Python's lock allows it: torch lets go of it while it computes.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TypeVar

import torch

from rlaudio.utils.shared_cores import CORES

Item = TypeVar("Item")
Result = TypeVar("Result")

LANES = 2  # measured on two cores; more threads would wait for Python's lock


def lanes_of(threads: int | None) -> int:
    """The lanes of a recipe that allows so many threads; None: as many as there are."""
    return 1 if threads == 1 else LANES


def at_once(items: Sequence[Item]) -> int:
    """How many of the items are computed at a time."""
    return LANES if min(len(items), _threads()) >= LANES else 1


def side_by_side(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """The function's results in the order of the items, `LANES` at a time where so many threads may be used.

    Gradients are recorded in every lane as they are by the thread that calls. What the function does
    `in_turn`, it does in the order of the items. No lane computes any more when an error is raised.
    """
    if at_once(items) == 1:
        yield from map(function, items)
        return
    records, turns = torch.is_grad_enabled(), _Turns()

    def compute(number: int, item: Item) -> Result:
        with torch.set_grad_enabled(records), turns.of(number):
            return function(item)

    lanes = _lanes(_threads() // LANES)
    ahead: deque[Future[Result]] = deque()
    try:
        for number, item in enumerate(items):
            if len(ahead) == LANES:
                yield ahead.popleft().result()
            ahead.append(lanes.submit(compute, number, item))
        while ahead:
            yield ahead.popleft().result()
    finally:
        wait(ahead)


@contextmanager
def in_turn() -> Iterator[None]:
    """An item's turn: a block that begins when those of all items before have ended, one at a time.

    Outside of lanes there is nothing to wait for.
    """
    if (turn := _turn.get()) is None:
        yield
        return
    turns, number = turn
    turns.wait_for(number)
    try:
        yield
    finally:
        turns.end(number)


class _Turns:
    """Whose turn it is: the first item's that has not had its own and goes on."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._ended: set[int] = set()
        self._next = 0

    @contextmanager
    def of(self, number: int) -> Iterator[None]:
        """An item computes within the block; after it, it needs no turn."""
        token = _turn.set((self, number))
        try:
            yield
        finally:
            _turn.reset(token)
            self.end(number)

    def wait_for(self, number: int) -> None:
        """Wait until it is that item's turn; those before have begun already."""
        with self._changed:
            self._changed.wait_for(lambda: self._next >= number)

    def end(self, number: int) -> None:
        """That item's turn is over."""
        with self._changed:
            self._ended.add(number)
            while self._next in self._ended:
                self._next += 1
            self._changed.notify_all()


_turn: ContextVar[tuple[_Turns, int] | None] = ContextVar("turn", default=None)  # of this lane


def _threads() -> int:
    """Threads that may be used, also while other processes use the cores: a lane waits for no other."""
    return max(torch.get_num_threads(), CORES.most)


@cache
def _lanes(threads: int) -> ThreadPoolExecutor:
    """The threads of this process, each with a team of `threads` threads of torch's."""
    return ThreadPoolExecutor(LANES, "lane", torch.set_num_threads, (threads,))
