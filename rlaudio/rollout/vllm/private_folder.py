"""Folders of this machine that no other user can enter, for weights and sockets of one process."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

logger = logging.getLogger(__name__)

OWNER = "owner"  # the file in it that its process holds locked
MARK = b"made by rlaudio, which removes this folder and all in it\n"


@contextmanager
def private_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """A new folder (mode 0700), by default in the machine's own for temporary files, removed after the block.

    Those of this prefix that a killed process left are removed too: folders of this user alone, with the file
    that marks them and that nobody holds locked. Links are never followed.
    """
    parent = parent or Path(tempfile.gettempdir())
    _remove_left(prefix, parent)
    path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    made = path.lstat()
    try:
        with (path / "new").open("xb", buffering=0) as lock:
            lock.write(MARK)
            with suppress(OSError):  # a file system without locks: then no later run removes it
                fcntl.flock(lock, fcntl.LOCK_EX)
                (path / "new").rename(path / OWNER)  # locked before it can be seen
            yield path
    finally:
        _remove(path, made)


def _remove_left(prefix: str, parent: Path) -> None:
    for path in parent.glob(f"{prefix}*"):
        with suppress(OSError):  # somebody else's, or in use, or gone by now
            made = path.lstat()
            if not stat.S_ISDIR(made.st_mode) or made.st_mode & 0o077 or made.st_uid != os.geteuid():
                continue
            with os.fdopen(os.open(path / OWNER, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as lock:
                marked = stat.S_ISREG(os.fstat(lock.fileno()).st_mode) and lock.read(len(MARK) + 1) == MARK
                if marked:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    logger.info("removing %s, which a run that was killed left", path)
                    _remove(path, made)


def _remove(path: Path, made: os.stat_result) -> None:
    """Remove the folder with all in it, if it is still the one that was made."""
    with suppress(FileNotFoundError):
        if os.path.samestat(path.lstat(), made):
            shutil.rmtree(path)
