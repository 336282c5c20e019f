"""Why a run may be slower than its machine could be: others use the cores, or memory is short. Told once."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from rlaudio.utils.number_format import counted
from rlaudio.utils.threads import usable_cores

logger = logging.getLogger(__name__)

Item = TypeVar("Item")

SECONDS_BETWEEN_LOOKS = 30.0
BUSY = 1.25  # load per core; a run alone brings 1
_STATUS = Path("/proc/self/status")


class Watch:
    """Looks at the machine now and then while something iterates, and tells once what slows it down."""

    def __init__(
        self,
        find: Callable[[], list[str]] | None = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find = find or reasons
        self._seconds = seconds
        self._next_look = seconds() + SECONDS_BETWEEN_LOOKS
        self._told = False

    def over(self, iterable: Iterable[Item]) -> Iterator[Item]:
        """The items, with a look after one where the last look is long ago."""
        for item in iterable:
            yield item
            if not self._told and self._seconds() >= self._next_look:
                self._look()

    def _look(self) -> None:
        texts = self._find()
        self._next_look = self._seconds() + SECONDS_BETWEEN_LOOKS
        if texts:
            logger.warning("this may be slow: %s", "; ".join(texts))
            self._told = True


def reasons() -> list[str]:
    """What slows computing down on this machine now."""
    import torch  # takes seconds, and this is asked of loops that do without

    cores, load = os.cpu_count() or 1, os.getloadavg()[0]
    swapped, held = _status("VmSwap"), _status("VmRSS")
    return reasons_of_slowness(cores, load, usable_cores(), torch.get_num_threads(), swapped, held)


def reasons_of_slowness(
    cores: int, load: float, usable: int, threads: int, swapped_gb: float, held_gb: float
) -> list[str]:
    """The reasons as text, from cores and load of the machine, and what this process has of it."""
    texts = []
    if load > BUSY * cores:
        texts.append(
            f"the load average is {load:.1f} on {counted(cores, 'core')}: other processes compute here"
        )
    if threads > usable:
        texts.append(f"{threads} threads share {counted(usable, 'core')}; set OMP_NUM_THREADS={usable}")
    if swapped_gb > 0.1 * held_gb:
        texts.append(f"{swapped_gb:.1f} GiB of {held_gb + swapped_gb:.1f} are swapped out: memory is short")
    return texts


def _status(key: str) -> float:
    """GiB of this process, as the kernel counts them; 0 where it does not."""
    if not _STATUS.exists():
        return 0.0
    lines = (line.split() for line in _STATUS.read_text(encoding="ascii").splitlines())
    return next((int(words[1]) / 2**20 for words in lines if words[0] == f"{key}:"), 0.0)


WATCH = Watch()  # of this process
