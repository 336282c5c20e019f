"""What the header of a container says about its audio: where it lies, and how many bytes there should be.

libsndfile reads what there is where a file is shorter than its header says, without a word.
"""

from __future__ import annotations

import io
import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import BinaryIO

_BEGINNINGS = (  # of audio files
    *(b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"riff", b"caff", b"NIST", b".snd"),
    *(b"fLaC", b"OggS"),
)
_MOST_CHUNKS = 4096  # a header of more is not worth the time
_NEVER_FILLED_IN = (  # sizes that writers leave which cannot go back, such as those to a pipe
    range(0, 1),
    range(0x7FFF_0000, 0x8001_0000),
    range(0xFFFF_0000, 0x1_0000_0000),
    range(0x7FFF_FFFF_FFFF_0000, 0x1_0000_0000_0000_0000),
)


@dataclass(frozen=True)
class AudioBytes:
    """Where a header says that the audio lies."""

    start: int
    size: int | None  # None: whoever wrote the header did not know
    codec: int = 0  # of a wav: the number in its format chunk
    unexplained: int = 0  # bytes behind it that are no chunk
    is_joined: bool = False  # another file begins there
    unfilled: _Field | None = None  # where its size must be written for libsndfile to read what is there
    is_bw64: bool = False  # which libsndfile does not know, and RF64 by another name

    def missing(self, file_size: int) -> int:
        """Bytes that lie beyond the end of the file."""
        return 0 if self.size is None else max(0, self.start + self.size - file_size)

    def filled_in(self, data: bytes) -> bytes:
        """The file of these bytes with the size and the name that libsndfile reads it by."""
        if self.is_bw64:
            data = data.replace(b"BW64", b"RF64", 1)
        if self.unfilled is None:
            return data
        field, length = struct.Struct(self.unfilled.layout), len(data) - self.start
        size = field.pack(min(length, 2 ** (8 * field.size) - 1))
        return data[: self.unfilled.at] + size + data[self.unfilled.at + field.size :]


@dataclass(frozen=True)
class _Field:
    """A number in a header."""

    at: int
    layout: str


def find_audio(file: BinaryIO, start: int) -> AudioBytes | None:
    """Where the header at `start` says that the audio lies; None for other containers and broken headers."""
    file.seek(start)
    head = file.read(12)
    kind, form = head[:4], head[8:]
    if kind in (b"RIFF", b"RF64", b"BW64") and form == b"WAVE":
        audio = _with_rest(file, _in_riff(file, start, "<"), "<4sI", even=2)
        return replace(audio, is_bw64=kind == b"BW64") if audio else None
    if kind == b"RIFX" and form == b"WAVE":
        return _with_rest(file, _in_riff(file, start, ">"), ">4sI", even=2)
    if kind == b"FORM" and form in (b"AIFF", b"AIFC"):
        audio = _named(_chunks(file, start + 12, ">4sI", even=2), b"SSND")
        return _with_rest(file, audio, ">4sI", even=2)
    if kind == b"riff":
        chunks = _chunks(file, start + 40, "<16sQ", even=8, size_includes_header=True)
        return _with_rest(file, _named(chunks, b"data"), "<16sQ", even=8, size_includes_header=True)
    if kind == b"caff":
        audio = _named(_chunks(file, start + 8, ">4sQ"), b"data")
        if audio and audio.size is None:
            audio = replace(audio, unfilled=_Field(audio.start - 8, ">Q"))
        return _with_rest(file, audio, ">4sQ")
    if kind == b"NIST":
        return _with_rest(file, _in_sphere(file, start))
    if kind in (b".snd", b"dns.") and len(head) == 12:
        endian = ">" if kind == b".snd" else "<"
        offset, size = struct.unpack(f"{endian}II", head[4:])
        unfilled = None if size else _Field(start + 8, f"{endian}I")
        return _with_rest(file, AudioBytes(start + offset, _stated(size), unfilled=unfilled))
    return None


@dataclass(frozen=True)
class _Chunk:
    name: bytes
    start: int  # of its content
    size: int  # of its content, as stated


def _chunks(
    file: BinaryIO, at: int, layout: str, *, even: int = 1, size_includes_header: bool = False
) -> Iterator[_Chunk]:
    header, end = struct.Struct(layout), file.seek(0, io.SEEK_END)
    while at < end:  # a size may be any number, also one that no file could be read at
        file.seek(at)
        head = file.read(header.size)
        if len(head) < header.size:
            return
        name, size = header.unpack(head)
        size -= header.size if size_includes_header and size >= header.size else 0
        yield _Chunk(name, at + header.size, size)
        at += header.size + size + -size % even


def _named(chunks: Iterator[_Chunk], name: bytes) -> AudioBytes | None:
    for chunk in islice(chunks, _MOST_CHUNKS):
        if chunk.name.startswith(name):
            return AudioBytes(chunk.start, _stated(chunk.size))
    return None


def _in_riff(file: BinaryIO, start: int, endian: str) -> AudioBytes | None:
    codec, long_size, long_field = 0, None, None
    for chunk in islice(_chunks(file, start + 12, f"{endian}4sI", even=2), _MOST_CHUNKS):
        if chunk.name == b"fmt ":
            codec = _number(file, chunk.start, f"{endian}H")
        elif chunk.name == b"ds64":
            long_field = _Field(chunk.start + 8, "<Q")
            long_size = _number(file, long_field.at, long_field.layout)
        elif chunk.name == b"data":
            is_long = chunk.size in (0, 0xFFFF_FFFF) and long_size is not None
            size = _stated(long_size if is_long else chunk.size)
            if size is None and chunk.size == 0 and _only_chunks(file, chunk.start, f"{endian}4sI"):
                return AudioBytes(chunk.start, 0, codec)
            field = long_field or (None if chunk.size else _Field(chunk.start - 4, f"{endian}I"))
            return AudioBytes(chunk.start, size, codec, unfilled=field if size is None else None)
    return None


def _only_chunks(file: BinaryIO, at: int, layout: str) -> bool:
    """Whether whole chunks, and nothing else, fill the rest of the file, so that there is no audio."""
    size = file.seek(0, io.SEEK_END)
    for chunk in islice(_chunks(file, at, layout, even=2), _MOST_CHUNKS):
        at = chunk.start + chunk.size + chunk.size % 2
        if not re.fullmatch(rb"[ -~]{4}", chunk.name) or at > size + 1:
            return False
    return at >= size


def _in_sphere(file: BinaryIO, start: int) -> AudioBytes | None:
    """NIST SPHERE, whose header is lines of text: its own length, then names, types and values."""
    file.seek(start)
    head = file.read(1024)
    lines = (line.split() for line in head.split(b"\n"))
    numbers = {words[0]: int(words[2]) for words in lines if len(words) == 3 and words[2].isdigit()}
    parts = [numbers.get(key, -1) for key in (b"sample_count", b"channel_count", b"sample_n_bytes")]
    length = head[8:16].strip()
    if -1 in parts or not length.isdigit() or b"shorten" in head:
        return None
    return AudioBytes(start + int(length), _stated(math.prod(parts)))


def _with_rest(
    file: BinaryIO,
    audio: AudioBytes | None,
    layout: str = "",
    *,
    even: int = 1,
    size_includes_header: bool = False,
) -> AudioBytes | None:
    """The same with what lies behind it that no chunk explains; no `layout` where there are no chunks."""
    if audio is None or audio.size is None:
        return audio
    size = file.seek(0, io.SEEK_END)
    at = min(size, audio.start + audio.size + -audio.size % even)
    chunks = _chunks(file, at, layout, even=even, size_includes_header=size_includes_header)
    for chunk in islice(chunks, _MOST_CHUNKS) if layout else ():
        name = chunk.name[:4]
        if name in _BEGINNINGS or not re.fullmatch(rb"[ -~]{4}", name) or chunk.start + chunk.size > size:
            break
        at = chunk.start + chunk.size + -chunk.size % even
    file.seek(at)
    return replace(audio, unexplained=max(0, size - at), is_joined=file.read(4) in _BEGINNINGS)


def _number(file: BinaryIO, at: int, layout: str) -> int:
    file.seek(at)
    data = file.read(struct.calcsize(layout))
    return int(struct.unpack(layout, data)[0]) if len(data) == struct.calcsize(layout) else 0


def _stated(size: int | None) -> int | None:
    return None if size is None or any(size in sizes for sizes in _NEVER_FILLED_IN) else size
