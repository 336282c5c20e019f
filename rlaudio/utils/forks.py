"""A user's code that forks and goes on in both processes: the copy is ended.

A copy that returns would train, write the run's folder and exit beside the run. Pools and servers of
`multiprocessing`, and what `subprocess` starts, never return from their own code.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_STDERR = 2


@contextmanager
def one_process(call: object) -> Iterator[None]:
    """Within the block a process that forks goes on alone: its copy ends where it leaves."""
    pid = os.getpid()
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
    os._exit(1)
