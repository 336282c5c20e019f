"""What a file is by its first bytes, where it is no text in UTF-8 and not what was expected: for messages."""

from __future__ import annotations

import re
from typing import NamedTuple

HEAD = 512  # first bytes that are enough

_ARCHIVES = {
    (0, b"\x1f\x8b"): "compressed by gzip",
    (0, b"BZh"): "compressed by bzip2",
    (0, b"\xfd7zXZ"): "compressed by xz",
    (0, b"\x28\xb5\x2f\xfd"): "compressed by zstd",
    (0, b"PK\x03\x04"): "a zip archive",
    (0, b"7z\xbc\xaf\x27\x1c"): "a 7z archive",
    (0, b"Rar!\x1a\x07"): "a rar archive",
    (257, b"ustar"): "a tar archive",
}
_MARKS = (  # at the beginning of text; UTF-32 before UTF-16, whose mark is the beginning of one of its
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_UTF_8_MARK = b"\xef\xbb\xbf"
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype|html|head|body|\?xml)\b", re.IGNORECASE)


class Foreign(NamedTuple):
    """What a file is, and what to do with it."""

    what: str  # "compressed by gzip", "text in UTF-16"
    todo: str


def no_text(head: bytes) -> Foreign | None:
    """What a file is that should be text in UTF-8 and begins with these bytes; None where it may be that."""
    if head.startswith(_UTF_8_MARK):
        return not_fetched(head)
    return other_text(head) or archive(head) or not_fetched(head)


def archive(head: bytes) -> Foreign | None:
    """The kind of an archive or compressed file that begins with these bytes."""
    what = next((what for (at, magic), what in _ARCHIVES.items() if head.startswith(magic, at)), None)
    return Foreign(what, "unpack it") if what else None


def not_fetched(head: bytes) -> Foreign | None:
    """What stands in the place of a file that a download or a checkout did not bring."""
    if head.startswith(_LFS_POINTER):
        return Foreign("a pointer of git LFS, not the file itself", "fetch it: git lfs pull")
    if _PAGE.match(head):
        return Foreign("an HTML or XML page, such as a server's message", "fetch the file again")
    return None


def other_text(head: bytes) -> Foreign | None:
    """The encoding of text that is not in UTF-8, by its mark or its zero bytes."""
    marked = next((encoding for mark, encoding in _MARKS if head.startswith(mark)), None)
    encoding = marked or _by_zeros(head)
    if encoding is None:
        return None
    kind = encoding.removesuffix("LE").removesuffix("BE")
    return Foreign(f"text in {kind}", f"convert it: iconv -f {encoding} -t UTF-8")


def _by_zeros(head: bytes) -> str | None:
    """The encoding of Latin letters without a mark: which bytes of each character are zero."""
    head = head[:64]
    for encoding, width, zeros in (
        ("UTF-32LE", 4, (1, 2, 3)),
        ("UTF-32BE", 4, (0, 1, 2)),
        ("UTF-16LE", 2, (1,)),
        ("UTF-16BE", 2, (0,)),
    ):
        characters = [head[at : at + width] for at in range(0, len(head) - width + 1, width)]
        latin = sum(_zero_bytes(character) == zeros for character in characters)
        if characters and latin > 0.7 * len(characters):  # others may stand among them
            return encoding
    return None


def _zero_bytes(character: bytes) -> tuple[int, ...]:
    return tuple(place for place, byte in enumerate(character) if byte == 0)
