"""The pages of an Ogg file: whether the last is whole and marked as such, and how many streams begin."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import BinaryIO

_HEADER = 27
_LARGEST_PAGE = _HEADER + 255 + 255 * 255
_LAST = 4
_FIRST_PAGE = re.compile(rb"OggS\0[\2\6]\0{8}")  # of a stream: marked so, and before any sample


@dataclass(frozen=True)
class LastPage:
    """The last page that begins in a file."""

    bytes_missing: int
    is_marked: bool  # as the last of its stream
    bytes_behind: int


def last_page(file: BinaryIO, start: int, size: int) -> LastPage | None:
    """The last page in a file of `size` bytes; None where no page begins."""
    first = max(start, size - 2 * _LARGEST_PAGE)
    file.seek(first)
    tail = file.read(size - first)
    at = tail.rfind(b"OggS")
    if at < 0:
        return None
    head = tail[at : at + _HEADER].ljust(_HEADER, b"\0")
    segments = tail[at + _HEADER : at + _HEADER + head[26]]
    length = _HEADER + head[26] + sum(segments)
    cut_segments = head[26] - len(segments)
    missing = max(0, at + length - len(tail), cut_segments, at + _HEADER - len(tail))
    return LastPage(missing, bool(head[5] & _LAST), max(0, len(tail) - at - length))


def streams(data: bytes) -> int:
    """How many streams begin in the bytes of a file."""
    return len(_FIRST_PAGE.findall(data))
