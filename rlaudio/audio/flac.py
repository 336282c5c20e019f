"""The end of a FLAC stream: its last frame tells how long the stream really is, and whether it is whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO

import numpy as np

_STREAMINFO = 42  # bytes of the marker, the block's header and the block
_MARKER = re.compile(rb"fLaC[\0\x80]\0\0\x22")  # with the header of the block that comes first
_TOTAL = slice(21, 26)  # the last 36 bits of it are the samples of each channel
_BLOCK_SIZES = {1: 192, **{n: 576 << n - 2 for n in range(2, 6)}, **{n: 256 << n - 8 for n in range(8, 16)}}


@dataclass(frozen=True)
class FlacHeader:
    """What the first block of a FLAC stream says."""

    start: int
    block_size: int  # of a stream of equal blocks
    largest_frame: int  # bytes; an upper bound where the stream does not say
    samples: int | None  # of each channel; None: not known when it was written

    @classmethod
    def read(cls, file: BinaryIO, start: int) -> FlacHeader | None:
        """The header of the stream at `start`, if it is whole."""
        file.seek(start)
        head = file.read(_STREAMINFO)
        if len(head) < _STREAMINFO:
            return None
        smallest, largest = int.from_bytes(head[8:10], "big"), int.from_bytes(head[10:12], "big")
        channels, bits = (head[20] >> 1 & 7) + 1, ((head[20] & 1) << 4 | head[21] >> 4) + 1
        bound = largest * channels * (bits + 7) // 8 + 64
        samples = int.from_bytes(head[_TOTAL], "big") & 0xF_FFFF_FFFF
        return cls(start, smallest, int.from_bytes(head[15:18], "big") or bound, samples or None)


def last_sample(file: BinaryIO, header: FlacHeader, size: int) -> int | None:
    """Where the last frame ends, in samples; None where a file of `size` bytes does not end with a frame."""
    first = max(header.start + _STREAMINFO, size - header.largest_frame - 16)
    file.seek(first)
    tail = file.read(size - first)
    for at in _syncs(tail):
        end = _end_of_frame(tail, at, header.block_size)
        if end is not None and _crc16(tail[at:]) == 0:  # over a frame and its checksum it is 0
            return end
    return None


def is_joined(data: bytes, start: int) -> bool:
    """Whether another stream begins behind the beginning of the one at `start`."""
    return _MARKER.search(data, start + _STREAMINFO) is not None


def without_length(data: bytes, start: int) -> bytes:
    """The stream as if its length had not been known: then libsndfile reads to its end."""
    changed = bytearray(data)
    changed[start + 21] &= 0xF0
    changed[start + 22 : start + 26] = bytes(4)
    return bytes(changed)


def _syncs(tail: bytes) -> Iterator[int]:
    """Where a frame may begin, the last place first."""
    at = tail.rfind(b"\xff")
    while at >= 0:
        if tail[at + 1 : at + 2] in (b"\xf8", b"\xf9"):
            yield at
        at = tail.rfind(b"\xff", 0, at)


def _end_of_frame(tail: bytes, at: int, equal_block: int) -> int | None:
    """The sample after the frame at a position; None where no frame's header stands."""
    head = tail[at : at + 16]
    number, after = _coded_number(head)
    if number is None or len(head) < 6:
        return None
    code, block = head[2] >> 4, 0
    if code in (6, 7):
        block = int.from_bytes(head[after : after + code - 5], "big") + 1
        after += code - 5
    after += {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    if len(head) <= after or _crc8(head[: after + 1]) != 0:
        return None
    block = block or _BLOCK_SIZES.get(code, 0)
    return (number if head[1] & 1 else number * equal_block) + block


def _coded_number(head: bytes) -> tuple[int | None, int]:
    """The frame's or sample's number, coded as UTF-8 codes characters, and the position after it."""
    if len(head) < 5:
        return None, 0
    ones = 8 - (head[4] ^ 0xFF).bit_length()
    if ones == 0:
        return head[4], 5
    rest = head[5 : 4 + ones]
    if ones == 1 or ones == 8 or len(rest) < ones - 1 or any(byte >> 6 != 2 for byte in rest):
        return None, 0
    number = head[4] & (0x7F >> ones)
    for byte in rest:
        number = number << 6 | byte & 0x3F
    return number, 4 + ones


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc = int(_CRC8[crc ^ byte])
    return crc


def _crc16(data: bytes) -> int:
    """The checksum of pairs of bytes, of pairs of those, and so on: frames are long for a loop in Python."""
    missing = -len(data) % (1 << max(1, len(data) - 1).bit_length())
    sums = _CRC16[np.frombuffer(bytes(missing) + data, dtype=np.uint8)]  # zeros in front change no checksum
    level = 0
    while len(sums) > 1:
        sums, level = _followed_by_zeros(level)[sums[::2]] ^ sums[1::2], level + 1
    return int(sums[0])


@lru_cache(maxsize=32)
def _followed_by_zeros(level: int) -> np.ndarray:
    """Of every checksum that after 2 ** level bytes of zeros."""
    if level:
        half = _followed_by_zeros(level - 1)
        return half[half]
    sums = np.arange(2**16, dtype=np.uint16)
    return (sums << 8) ^ _CRC16[sums >> 8]


def _table(polynomial: int, bits: int) -> np.ndarray:
    sums = np.arange(256, dtype=np.uint16) << (bits - 8)
    for _ in range(8):
        sums = (sums << 1) ^ np.where(sums >> (bits - 1) & 1, polynomial, 0).astype(np.uint16)
    return sums & ((1 << bits) - 1)


_CRC8 = _table(0x07, 8)
_CRC16 = _table(0x8005, 16)
