"""Independent computations on a CPU side by side, each by a thread that computes alone.

Threads that share each operation wait for each other in every one of them, and a step of a small model is
thousands of short ones. Two halves of its rows, each computed by one thread, take 0.7 times as long; see
"Against an older version" in docs/results.md. Python's lock allows it: torch lets go of it while it computes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from typing import TypeVar

import torch

from rlaudio.utils.shared_cores import CORES

Item = TypeVar("Item")
Result = TypeVar("Result")

LANES = 2  # measured on two cores; more threads would wait for Python's lock


def at_once(items: Sequence[Item]) -> int:
    """How many of the items are computed at a time."""
    return LANES if min(len(items), _threads()) >= LANES else 1


def side_by_side(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """The function's results in the order of the items, `LANES` at a time where so many threads may be used.

    Gradients are recorded in every lane as they are by the thread that calls. No lane computes any more when
    an error is raised.
    """
    if at_once(items) == 1:
        yield from map(function, items)
        return
    records = torch.is_grad_enabled()

    def compute(item: Item) -> Result:
        with torch.set_grad_enabled(records):
            return function(item)

    lanes = _lanes(_threads() // LANES)
    ahead: deque[Future[Result]] = deque()
    try:
        for item in items:
            if len(ahead) == LANES:
                yield ahead.popleft().result()
            ahead.append(lanes.submit(compute, item))
        while ahead:
            yield ahead.popleft().result()
    finally:
        wait(ahead)


def _threads() -> int:
    """Threads that may be used, also while other processes use the cores: a lane waits for no other."""
    return max(torch.get_num_threads(), CORES.most)


@cache
def _lanes(threads: int) -> ThreadPoolExecutor:
    """The threads of this process, each with a team of `threads` threads of torch's."""
    return ThreadPoolExecutor(LANES, "lane", torch.set_num_threads, (threads,))
