"""Locks that processes have on files, where the file system has locks."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from weakref import WeakSet

logger = logging.getLogger(__name__)

_locked: WeakSet[IO[Any]] = WeakSet()  # files whose locks this process has or had


def try_lock(file: IO[Any] | int) -> bool:
    """Whether no other process has the file's lock; this one then has it until it closes the file.

    Processes that it forks have no part in it. Also true on a file system without locks, as of some networks:
    what they guard then is not guarded.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        logger.debug("%s: no lock (%s)", getattr(file, "name", file), error.strerror)
    if not isinstance(file, int):
        _locked.add(file)
    return True


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Wait until no other process has the folder's lock, and have it while the block runs; no file is made.

    Without effect on a file system that has no locks on folders.
    """
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        unlock(opened)
        os.close(opened)


def unlock(file: IO[Any] | int) -> None:
    """Give the lock back."""
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_UN)


def _let_go() -> None:
    """In a forked process, which may outlive the other: have none of its open files be one with a lock."""
    nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for file in _locked:
        if not file.closed:
            os.dup2(nowhere, file.fileno(), inheritable=False)
    os.close(nowhere)


os.register_at_fork(after_in_child=_let_go)
