"""The frames of an mp3 stream, counted: libsndfile estimates a stream's length where no index states it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

# kbit/s by bitrate index 1 to 14, for (is MPEG-1, layer)
_KBITS = {
    (True, 1): tuple(range(32, 449, 32)),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_FREE_KBITS = 512  # more than any frame of a stream without a stated bitrate has
_TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3", b"3DI")  # that may follow the last frame
_MONO = 3
_PADDED = 2  # in a header's third byte


@dataclass(frozen=True)
class Header:
    """What the four bytes before every frame say."""

    version: int  # 3: MPEG-1, 2: MPEG-2, 0: MPEG-2.5
    layer: int
    rate_index: int
    is_mono: bool
    has_checksum: bool

    @classmethod
    def read(cls, data: bytes, at: int) -> Header | None:
        """The header at a position, if one stands there."""
        head = data[at : at + 4]
        if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
            return None
        version, layer, rate_index = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3), head[2] >> 2 & 3
        if version == 1 or layer == 4 or rate_index == 3 or head[2] >> 4 == 15:
            return None
        return cls(version, layer, rate_index, head[3] >> 6 == _MONO, not head[1] & 1)

    @property
    def rate_hz(self) -> int:
        """Samples a second."""
        return _RATES_HZ[self.version][self.rate_index]

    @property
    def samples(self) -> int:
        """Samples of each channel in a frame."""
        if self.layer == 1:
            return 384
        return 576 if self.layer == 3 and self.version != 3 else 1152

    @property
    def index_offset(self) -> int:
        """Where in its first frame a stream's index stands: behind the side information, which is empty."""
        side = {(True, True): 17, (True, False): 32, (False, True): 9, (False, False): 17}
        return 4 + side[self.version == 3, self.is_mono]

    @property
    def padding(self) -> int:
        """Bytes by which a padded frame is longer."""
        return 4 if self.layer == 1 else 1

    def bytes_of(self, kbits: int, padding: int = 0) -> int:
        """Bytes of a frame at a bitrate, with so many of padding."""
        if self.layer == 1:
            return 12_000 * kbits // self.rate_hz * 4 + padding
        return self.samples // 8 * 1000 * kbits // self.rate_hz + padding


class _Walk(NamedTuple):
    """A stream walked through, frame by frame."""

    frames: int  # whole ones, an index among them
    bytes_missing: int  # of the last one
    lost: tuple[int, ...]  # where none of its frames stands, though one should
    runs: tuple[tuple[int, int], ...]  # of frames that follow each other: first byte, and the byte behind
    bytes_between: int  # between two frames, tags not counted
    bytes_behind: int  # behind the last frame, tags not counted


@dataclass(frozen=True)
class Stream:
    """An mp3 stream: its bytes, and where its first frame begins."""

    data: bytes
    start: int
    header: Header

    @classmethod
    def find(cls, data: bytes) -> Stream | None:
        """The stream in `data`, from the first two frames that follow each other, if there are such."""
        at = data.find(b"\xff")
        while at >= 0:
            header = Header.read(data, at)
            if header:
                stream = cls(data, at, header)
                if stream._is_frame(at):
                    return stream
            at = data.find(b"\xff", at + 1)
        return None

    @property
    def frames(self) -> int:
        """Whole frames, the index not counted."""
        return self._walked.frames - (self.indexed_frames is not None)

    @property
    def bytes_missing(self) -> int:
        """Bytes that the last frame lacks."""
        return self._walked.bytes_missing

    @property
    def bytes_between(self) -> int:
        """Bytes between frames that are neither frames nor tags: where something was damaged or cut out."""
        return self._walked.bytes_between

    @property
    def bytes_behind(self) -> int:
        """Bytes behind the last frame that are no tags."""
        return self._walked.bytes_behind

    @property
    def samples(self) -> int:
        """Samples of each channel in all whole frames."""
        return self.frames * self.header.samples

    @cached_property
    def indexed_frames(self) -> int | None:
        """How many frames the index states, if the stream has one that does (Xing, Info)."""
        at = self.start + self.header.index_offset
        if self.header.layer != 3 or self.data[at : at + 4] not in (b"Xing", b"Info"):
            return None
        flags, frames = (int.from_bytes(self.data[at + n : at + n + 4], "big") for n in (4, 8))
        return frames if flags & 1 else None

    @property
    def lacks_frames(self) -> bool:
        """Whether it was cut off between two frames: some writers count the index as a frame, none two."""
        missing = (self.indexed_frames or 0) - self.frames
        return missing > 1 or (missing == 1 and self.has_its_bytes is False)

    @cached_property
    def has_its_bytes(self) -> bool | None:
        """Whether the stream is as long as its index states; None where that does not say."""
        if self.indexed_frames is None:
            return None
        at = self.start + self.header.index_offset
        if not self.data[at + 7] & 2:
            return None
        stated = int.from_bytes(self.data[at + 12 : at + 16], "big")
        end = self._walked.runs[-1][1]
        return bool(stated) and end - self.start >= stated

    @cached_property
    def is_joined(self) -> bool:
        """Whether frames of another stream, which are none of this one, follow its own."""
        return any(self._begins_another(at) for at in self._walked.lost)

    def extended(self, frames: int) -> bytes:
        """The stream without its index, and silent frames behind it until libsndfile reads `frames` of it.

        libsndfile ends where a stream would end whose frames were all as large as the first, and where more
        than 1024 bytes stand between two of them.
        """
        first = self.start if self.indexed_frames is None else self.start + self._bytes_at(self.start)
        size = self._bytes_at(first)
        head = bytes((0xFF, self._second, self.data[first + 2] & ~_PADDED, self.data[first + 3]))
        runs = [(max(start, first), end) for start, end in self._walked.runs if end > first]
        alone = b"".join(self.data[start:end] for start, end in runs)
        missing = frames + 2 - len(alone) // max(size, 1)
        return alone + head.ljust(size, b"\0") * missing

    @cached_property
    def _walked(self) -> _Walk:
        frames, at, end = 0, self.start, len(self.data)
        lost: list[int] = []
        runs: list[tuple[int, int]] = []
        between = behind = missing = 0
        run = at
        while at < end:
            size = self._bytes_at(at)
            if size and at + size <= end:
                frames, at = frames + 1, at + size
                continue
            if size:
                missing = at + size - end
                break
            lost.append(at)
            following, tagged = self._next(at), _behind_tags(self.data, at)
            if following is None:
                is_cut = end - at < 4 and frames and self.data[at] == 0xFF
                missing, behind = 4 if is_cut else 0, max(0, end - tagged)
                break
            runs.append((run, at))
            between += max(0, following - tagged)
            at = run = following  # over what is damaged, or a tag between two streams
        return _Walk(frames, missing, tuple(lost), (*runs, (run, at)), between, behind)

    def _begins_another(self, at: int) -> bool:
        """Whether two frames of another stream, perhaps behind its tag, stand at a position."""
        at += id3_size(self.data[at : at + 10])
        header = Header.read(self.data, at)
        return header is not None and not self._bytes_at(at) and Stream(self.data, at, header)._is_frame(at)

    def _next(self, at: int) -> int | None:
        """Where after a position two frames follow each other again."""
        at = self.data.find(b"\xff", at + 1)
        while at >= 0 and not (self._bytes_at(at) and self._is_frame(at)):
            at = self.data.find(b"\xff", at + 1)
        return at if at >= 0 else None

    def _is_frame(self, at: int) -> bool:
        """Whether another frame, or the end of the data, follows the frame at a position."""
        size = self._bytes_at(at)
        return bool(size) and (bool(self._bytes_at(at + size)) or at + size == len(self.data))

    def _bytes_at(self, at: int) -> int:
        """The size of the frame at a position; 0 if none of this stream stands there."""
        head = self.data[at : at + 4]
        is_frame = len(head) > 2 and head[0] == 0xFF and head[1] | 1 == self._second
        has_its_channels = len(head) == 3 or (is_frame and (head[3] >> 6 == _MONO) == self.header.is_mono)
        return self._sizes[head[2]] if is_frame and has_its_channels else 0

    @property
    def _second(self) -> int:
        return 0xE1 | self.header.version << 3 | (4 - self.header.layer) << 1

    @cached_property
    def _sizes(self) -> list[int]:
        """Bytes of a frame by the third byte of its header; 0 where the byte is not one of this stream."""
        return list(_sizes(self.header, self._free_size))

    @cached_property
    def _free_size(self) -> int:
        """Bytes of an unpadded frame of a stream that states no bitrate: up to the next header like it."""
        third = self.data[self.start + 2]
        if third >> 4:
            return 0
        for at in _positions(self.data, self.start + 24, self.header.bytes_of(_FREE_KBITS)):
            if self.data[at + 1] | 1 == self._second and (self.data[at + 2] ^ third) & ~3 == 0:
                return at - self.start - bool(third & _PADDED) * self.header.padding
        return 0


def id3_size(head: bytes) -> int:
    """Bytes of the ID3 tag whose first ten are given; 0 where no tag begins with them."""
    if len(head) < 10 or head[:3] != b"ID3" or any(byte > 127 for byte in head[6:10]):
        return 0
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    return 10 + size + (10 if head[5] & 0x10 else 0)


def _behind_tags(data: bytes, at: int) -> int:
    """Where the tags that stand at a position end: the position itself where none does."""
    while data.startswith(_TAGS, at):
        if data.startswith(b"TAG", at):
            at += 128
        elif data.startswith(b"APETAGEX", at):  # its header or footer, whose size counts all but the header
            size, flags = (int.from_bytes(data[at + n : at + n + 4], "little") for n in (12, 20))
            at += 32 + size * (flags >> 29 & 1)
        elif data.startswith(b"LYRICSBEGIN", at):
            end = data.find(b"LYRICS200", at)
            at = len(data) if end < 0 else end + 9
        else:
            at += id3_size(data[at : at + 10]) or 10  # 3DI is the footer of one, of ten bytes
    return at


def _positions(data: bytes, start: int, count: int) -> Iterator[int]:
    end = min(start + count, len(data) - 2)
    at = data.find(b"\xff", start, end)
    while at >= 0:
        yield at
        at = data.find(b"\xff", at + 1, end)


@lru_cache(maxsize=64)
def _sizes(header: Header, free_size: int) -> tuple[int, ...]:
    kbits = _KBITS[header.version == 3, header.layer]

    def size(third: int) -> int:
        bitrate, padding = third >> 4, header.padding if third & _PADDED else 0
        if third >> 2 & 3 != header.rate_index or bitrate == 15:
            return 0
        if bitrate == 0:
            return free_size + padding if free_size else 0
        return header.bytes_of(kbits[bitrate - 1], padding)

    return tuple(size(third) for third in range(256))
