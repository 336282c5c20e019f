"""Times of work on any device: a GPU has finished when it says so."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch


def seconds_of(
    work: Callable[[], object], device: str, repeats: int, *, limit: float = float("inf")
) -> list[float]:
    """Seconds of each repeat, after one that warms up; fewer than asked where they would pass `limit`."""
    seconds: list[float] = []
    work()
    while not seconds or (len(seconds) < repeats and sum(seconds) + seconds[-1] < limit):
        _finish(device)
        start = time.perf_counter()
        work()
        _finish(device)
        seconds.append(time.perf_counter() - start)
    return seconds


def _finish(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
