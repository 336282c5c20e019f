"""Another stream behind the one that a file begins with, in a format of its own."""

from __future__ import annotations

import re

# How wav, ogg and flac begin; long enough not to stand in compressed audio by chance.
_BEGINNING = re.compile(rb"RIFF.{4}WAVE|OggS\x00\x02|fLaC\x00\x00\x00\x22", re.DOTALL)


def holds_another(data: bytes, start: int) -> bool:
    """Whether a wav, ogg or flac stream begins at or behind the byte `start`, where the audio begins."""
    return _BEGINNING.search(data, start) is not None


def behind_metadata(data: bytes, start: int) -> int:
    """Where the frames of the flac stream at `start` begin: its metadata may hold pieces of other files."""
    at, is_last = start + 4, False
    while not is_last and at + 4 <= len(data):
        is_last = bool(data[at] & 0x80)
        at += 4 + int.from_bytes(data[at + 1 : at + 4])
    return at
