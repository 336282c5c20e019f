"""Locks that processes have on files, where the file system has locks."""

from __future__ import annotations

import fcntl
import logging
from contextlib import suppress
from typing import IO, Any

logger = logging.getLogger(__name__)


def try_lock(file: IO[Any] | int) -> bool:
    """Whether no other process has the file's lock; this one then has it until it closes the file.

    Also true on a file system without locks, as of some networks: what they guard then is not guarded.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        logger.debug("%s: no lock (%s)", getattr(file, "name", file), error.strerror)
    return True


def unlock(file: IO[Any]) -> None:
    """Give the lock back, which processes that were forked meanwhile would keep."""
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_UN)
