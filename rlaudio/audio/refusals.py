"""What is said of files that are not read as audio: what they are, and the command that helps."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

from rlaudio.utils.foreign_formats import archive, not_fetched
from rlaudio.utils.messages import shown

FORMATS = "wav, flac, ogg or mp3"
_OTHERS = {  # first bytes, by where they stand
    (4, b"ftyp"): "mp4 or m4a",
    (0, b"\x1a\x45\xdf\xa3"): "webm or mkv",
    (0, b"\x30\x26\xb2\x75"): "wma",
    (0, b"#!AMR"): "amr",
    (0, b"ADIF"): "aac",
    (8, b"AVI "): "avi",
    (0, b"FLV"): "flv",
    (0, b"\0\0\x01\xba"): "mpeg",
    (0, b"wvpk"): "wavpack",
    (0, b"MAC "): "ape",
    (0, b"\x0b\x77"): "ac3",
}
_NO_AUDIO = {
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"GIF8": "an image",
    b"%PDF": "a PDF document",
    b"MThd": "MIDI, which are notes and no audio",
    b"PAR1": "a Parquet file",
}
_APPLE_DOUBLE = b"\x00\x05\x16\x07"
_UNKNOWN_TO_LIBSNDFILE = ("Format not recognised", "bad resource fork")  # the latter beside a file "._"
_AGAIN = "fetch the file again or remove the row"


class NamedClip(NamedTuple):
    """A file in messages, and in commands that they advise."""

    path: Path
    name: str

    def __str__(self) -> str:
        return self.name


def refuse_others(head: bytes, clip: NamedClip) -> None:
    """Raise ValueError where the first bytes of a file are plainly those of something that is not read."""
    if head.startswith(_APPLE_DOUBLE):
        raise ValueError(f"{clip}: what macOS notes about a file, not the file; remove the row")
    if foreign := archive(head) or not_fetched(head):
        raise ValueError(f"{clip}: {foreign.what}; expected {FORMATS}; {foreign.todo}, or remove the row")
    if kind := next((kind for magic, kind in _NO_AUDIO.items() if head.startswith(magic)), None):
        raise ValueError(f"{clip}: {kind}; expected {FORMATS}; remove the row")
    is_adts = len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0
    kind = next((kind for (at, magic), kind in _OTHERS.items() if head.startswith(magic, at)), None)
    if kind or is_adts:
        raise not_read(kind or "aac", clip)


def not_read(kind: str, clip: NamedClip) -> ValueError:
    """Of a file in a format that is audio, or may be."""
    return ValueError(f"{clip}: {kind}, which is not read; expected {FORMATS}; {_convert(clip)}")


def unreadable(problem: str, head: bytes, clip: NamedClip) -> ValueError:
    """Of a file that libsndfile refuses, and that begins with `head`."""
    if not any(head):
        what, todo = "it begins with zeros, as a download does that was broken off", _AGAIN
    elif re.fullmatch(rb"[\t\n\r -~]+", head):
        what, todo = f"it is text that begins with {shown(head[:40].decode())}", _AGAIN
    else:
        what = problem.rstrip(".").removeprefix("Error : ").removeprefix("Internal error : ")
        if what in _UNKNOWN_TO_LIBSNDFILE:
            what = f"it begins with {head[:12]!r}, as no format does that is known"
        todo = f"{_convert(clip)}, or remove the row"
    return ValueError(f"{clip}: not readable as audio ({what}); expected {FORMATS}; {todo}")


def several_streams(clip: NamedClip) -> ValueError:
    """Of a file behind whose first stream another begins."""
    return ValueError(
        f"{clip}: several streams in one file, of which only one would be read; expected one; "
        f"split it, or {_convert(clip)}"
    )


def _convert(clip: NamedClip) -> str:
    """The command that converts a file, to another than itself."""
    path, out = clip.path, clip.path.with_suffix(".flac")
    if path.suffix.lower() == ".flac" or out.exists():
        out = path.with_name(f"{path.stem}_converted.flac")
    return f"convert it: ffmpeg -i {_in_shell(path)} {_in_shell(out)}"


def _in_shell(path: Path) -> str:
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)
