"""A user's code that forks and goes on in both processes: the copy is ended, and what forked is told so.

A copy that returns would train, write the run's folder and exit beside the run. Pools and servers of
`multiprocessing` never return from their own code, so they are left alone.
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_WAIT_SECONDS = 0.5  # for a copy to come back, after a call that forked
_STDERR = 2
_came_back = mmap.mmap(-1, 1)  # shared with copies: 1 once one has returned
_forks = 0


def _count() -> None:
    global _forks
    _forks += 1


os.register_at_fork(after_in_parent=_count)


@contextmanager
def one_process(call: object) -> Iterator[None]:
    """Within the block a process that forks goes on alone: its copy is ended at the end of the block.

    Raises RuntimeError where there was such a copy.
    """
    pid, forks = os.getpid(), _forks
    try:
        yield
    finally:
        if os.getpid() != pid:
            _end(call)
        if _forks != forks and _has_come_back():
            raise RuntimeError(
                "forked, and went on in the new process too, which was ended; expected os._exit there, or "
                "subprocess or multiprocessing instead of os.fork"
            )


def _end(call: object) -> None:
    _came_back[0] = 1
    with suppress(OSError):
        os.write(_STDERR, f"{call} forked, and went on in the new process, which ends here\n".encode())
    os._exit(1)


def _has_come_back() -> bool:
    until = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < until:
        if _came_back[0]:
            _came_back[0] = 0
            return True
        time.sleep(0.005)
    return False
