"""Reading a file that somebody else may have made: an ordinary one, up to a limit."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

_FILE = "a file"
_ADVICE = "delete it, or copy the file again"  # of the files of a run folder


def read_bytes(path: Path, largest: int, expected: str = _FILE, todo: str = _ADVICE) -> bytes:
    """The content of a file. Raises as `open_file`."""
    with open_file(path, largest, expected, todo) as file:
        return file.read(largest)


def open_file(path: Path, largest: int, expected: str = _FILE, todo: str = _ADVICE) -> BinaryIO:
    """An ordinary file, open to be read: a pipe or a device would be read for ever.

    Raises ValueError, which says what was `expected` and what is `todo`, for anything else and for more than
    `largest` bytes; FileNotFoundError.
    """
    kind = path.stat().st_mode
    if not stat.S_ISREG(kind):  # seen before it is opened: that alone rewinds a tape
        raise ValueError(f"{path}: expected an ordinary file, found {_kind(kind)}; {todo}")
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    size = os.fstat(file.fileno()).st_size
    if size > largest:
        file.close()
        raise ValueError(f"{path}: {size:,} bytes; expected {expected} of at most {largest:,}; {todo}")
    return file


def open_to_append(path: Path) -> int:
    """A descriptor of an ordinary file, made where there is none, to read and to append to.

    Never through a link, whose file would be changed. Raises ValueError for anything else of that name.
    """
    if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        raise ValueError(f"{path}: expected an ordinary file; delete it")
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    return os.open(path, flags, 0o666)


def _kind(mode: int) -> str:
    kinds = {"a folder": stat.S_ISDIR, "a pipe": stat.S_ISFIFO, "a socket": stat.S_ISSOCK}
    return next((name for name, holds in kinds.items() if holds(mode)), "a device")
