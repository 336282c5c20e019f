"""A user's code that forks and goes on in both processes: the copy is ended.

A copy that returns would train, write the run's folder and exit beside the run. Pools and servers of
`multiprocessing`, and what `subprocess` starts, never return from their own code.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_STDERR = 2
_PID = struct.Struct("q")
_ENDED, _END = os.pipe()  # copies write their process id into it as they end
os.set_blocking(_ENDED, False)
os.set_blocking(_END, False)


@contextmanager
def one_process(call: object) -> Iterator[None]:
    """Within the block a process that forks goes on alone: its copy ends where it leaves."""
    pid = os.getpid()
    _reap()
    try:
        yield
    finally:
        if os.getpid() != pid:
            _end_copy(call)


def _end_copy(call: object) -> None:
    told = (
        f"{call} forked, and went on in the new process, which ends here; expected os._exit there, or "
        "subprocess or multiprocessing instead of os.fork\n"
    )
    with suppress(OSError):
        os.write(_STDERR, told.encode())
    with suppress(OSError):
        os.write(_END, _PID.pack(os.getpid()))
    os._exit(1)


def _reap() -> None:
    """Let the copies go that have ended: the system keeps each until somebody has asked for its status."""
    with suppress(BlockingIOError):
        for (pid,) in _PID.iter_unpack(os.read(_ENDED, 512 * _PID.size)):
            with suppress(ChildProcessError):  # a copy of a copy
                os.waitpid(pid, 0)
