"""Fewer threads while other processes use the cores.

Threads that compute together wait for the last of them. Where another process has that one's core, every
operation takes as long as the kernel leaves it there: milliseconds, not microseconds. A recipe's number of
threads is therefore the most that a run computes with, and what it computes with follows the machine; numbers
differ in their last bits.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from rlaudio.utils.number_format import counted
from rlaudio.utils.threads import usable_cores

logger = logging.getLogger(__name__)

Item = TypeVar("Item")

SECONDS_BETWEEN_LOOKS = 2.0
_STAT = Path("/proc/stat")


class CoreTimes(NamedTuple):
    """Seconds since some moment: of the clock, and of cores by all processes and by this one."""

    clock: float
    everyone: float
    this_process: float


class SharedCores:
    """Sets torch's threads between the items of loops: one for each core that is left, `most` at most."""

    def __init__(
        self,
        times: Callable[[], CoreTimes | None] | None = None,
        set_threads: Callable[[int], object] | None = None,
        cores: int | None = None,
    ) -> None:
        self.most = 1
        self._times = times or core_times
        self._set = set_threads or _set_torch_threads
        self._cores = cores or usable_cores()
        self._threads = 1
        self._before: CoreTimes | None = None

    def begin(self, most: int) -> None:
        """Compute with `most` threads, and fewer from the next look on where cores are in use."""
        self.most = self._threads = most
        self._set(most)
        self._before = self._times() if most > 1 else None

    def over(self, iterable: Iterable[Item]) -> Iterator[Item]:
        """The items, with a look after one where the last look is some time ago."""
        for item in iterable:
            yield item
            self.look()

    def look(self) -> None:
        """Adapt the number of threads to what others used of the cores since the last look."""
        before = self._before
        if (
            before is None
            or (now := self._times()) is None
            or now.clock - before.clock < SECONDS_BETWEEN_LOOKS
        ):
            return
        self._before = now
        ours = now.this_process - before.this_process
        others = max(0.0, now.everyone - before.everyone - ours) / (now.clock - before.clock)
        threads = min(self.most, max(1, round(self._cores - others)))
        if threads != self._threads:
            self._threads = threads
            self._set(threads)
            logger.info(
                "computing with %s of %d from here on: other processes use %.1f of %s",
                counted(threads, "thread"),
                self.most,
                others,
                counted(self._cores, "core"),
            )


def core_times() -> CoreTimes | None:
    """The times now, over the cores that this process may use; None where the kernel does not tell."""
    try:
        lines = _STAT.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    usable = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    rows = [words[1:] for words in map(str.split, lines) if words and words[0] in usable]
    ticks = sum(_busy([int(word) for word in row]) for row in rows)
    return CoreTimes(time.monotonic(), ticks / os.sysconf("SC_CLK_TCK"), time.process_time())


def _busy(row: list[int]) -> int:
    """Ticks of a core in use: user, nice, system, interrupts, and what a host took, but idle and waiting."""
    user, nice, system, _idle, _waiting, interrupts, soft, stolen, *_ = [*row, 0, 0, 0, 0]
    return user + nice + system + interrupts + soft + stolen


def _set_torch_threads(count: int) -> None:
    import torch  # takes seconds, and loops that do without must not load it

    torch.set_num_threads(count)


CORES = SharedCores()  # of this process
