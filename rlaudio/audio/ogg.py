"""The pages of an Ogg file: whether all are there, whether the last is whole, and what length it states."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_HEADER = 27
_LARGEST_PAGE = _HEADER + 255 + 255 * 255
_CONTINUED, _LAST = 1, 4
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_FIRST_PAGE = re.compile(rb"OggS\0[\2\6]\0{8}")  # of a stream: marked so, and before any sample
_VORBIS_HEAD = 30  # bytes of its first packet
_OPEN_END = 2**40  # samples: more than any stream has
_OPUS_LONGEST = 5760  # samples of a packet, at 48 kHz
_OPUS_FRAMES = (480, 960, 1920, 2880) * 3 + (480, 960) * 2 + (120, 240, 480, 960) * 4  # samples, by config


@dataclass(frozen=True)
class LastPage:
    """The last page that begins in a file."""

    bytes_missing: int
    is_marked: bool  # as the last of its stream
    bytes_behind: int


@dataclass(frozen=True)
class Page:
    """One page: where it begins, how many samples end with it, and its number."""

    start: int
    granule: int  # samples up to its end; -1 where no packet ends in it
    number: int
    packets: int  # that end in it


@dataclass(frozen=True)
class Pages:
    """All pages of a file with one stream."""

    data: bytes
    pages: tuple[Page, ...]

    @classmethod
    def of(cls, data: bytes, start: int) -> Pages:
        """The pages in the bytes of a file, from `start` on."""
        return cls(data, tuple(_walk(data, start)))

    @property
    def are_missing(self) -> bool:
        """Whether the numbers of the pages have gaps: some were lost."""
        numbers = [page.number for page in self.pages]
        return numbers != list(range(numbers[0], numbers[0] + len(numbers)))

    @property
    def are_damaged(self) -> bool:
        """Whether the checksum of a page is wrong: its packets are left out when it is decoded."""
        return any(not self._is_sound(page.start) for page in self.pages)

    @property
    def states_odd_end(self) -> bool:
        """Whether the last page states fewer samples than the one before it, or more than it can hold.

        Told of Vorbis and Opus alone: what packets of others hold is not known.
        """
        *before, last = self.pages
        most = self._most_samples(last)
        if most is None:
            return False
        ends = [page.granule for page in before if page.granule >= 0]
        known = ends[-1] if ends else 0
        return not known <= last.granule <= known + most

    def with_open_end(self) -> bytes:
        """The file whose last page states more samples than there are, so that it is read to its end."""
        last = self.pages[-1].start
        page = bytearray(self.data[last:])
        page[6:14], page[22:26] = struct.pack("<q", _OPEN_END), bytes(4)
        page[22:26] = struct.pack("<I", _checksum(bytes(page[: _length(page, 0)])))
        return self.data[:last] + bytes(page)

    def _is_sound(self, start: int) -> bool:
        page = self.data[start : start + _length(self.data, start)]
        return int.from_bytes(page[22:26], "little") == _checksum(page[:22] + bytes(4) + page[26:])

    def _most_samples(self, page: Page) -> int | None:
        """How many samples the packets that end in a page add at most, where that is known."""
        first = self.pages[0].start
        packet = self.data[first + _HEADER + self.data[first + 26] :][:_VORBIS_HEAD]
        if packet.startswith(b"\x01vorbis") and len(packet) == _VORBIS_HEAD:
            return page.packets * int(2 ** (packet[28] >> 4)) // 2  # half the longer block
        return sum(self._opus_samples(page)) if packet.startswith(b"OpusHead") else None

    def _opus_samples(self, page: Page) -> Iterator[int]:
        """The samples of every packet that ends in a page, at 48 kHz, by its first bytes (RFC 6716, 3.1)."""
        at, is_continued = (
            page.start + _HEADER + self.data[page.start + 26],
            self.data[page.start + 5] & _CONTINUED,
        )
        for size in _packet_sizes(self.data, page.start):
            first, second = self.data[at : at + min(size, 2)].ljust(2, b"\0")
            config, code = first >> 3, first & 3
            frames = (1, 2, 2, second & 63)[code]
            yield _OPUS_LONGEST if is_continued else frames * _OPUS_FRAMES[config]
            at, is_continued = at + size, 0


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


def _walk(data: bytes, start: int) -> Iterator[Page]:
    at = data.find(b"OggS", start)
    while 0 <= at <= len(data) - _HEADER:
        granule, _, number = struct.unpack_from("<qII", data, at + 6)
        segments = data[at + _HEADER : at + _HEADER + data[at + 26]]
        yield Page(at, granule, number, sum(size < 255 for size in segments))
        at = data.find(b"OggS", at + _length(data, at))


def _packet_sizes(data: bytes, at: int) -> Iterator[int]:
    """Bytes in the page at a position of every packet that ends there."""
    size = 0
    for segment in data[at + _HEADER : at + _HEADER + data[at + 26]]:
        size += segment
        if segment < 255 and size:
            yield size
        size = 0 if segment < 255 else size


def _length(data: bytes | bytearray, at: int) -> int:
    """Bytes of the page at a position."""
    segments = data[at + _HEADER : at + _HEADER + data[at + 26]]
    return _HEADER + data[at + 26] + sum(segments)


def _checksum(page: bytes) -> int:
    """Ogg's CRC-32 (RFC 3533, section 6): that of zlib over mirrored bits, from 0, and not inverted."""
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(_MIRRORED), "big")
