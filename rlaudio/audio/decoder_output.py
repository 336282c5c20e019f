"""What libmpg123 prints on its own account: kept from the terminal, and made a fact about the clip.

The library writes to the descriptor of stderr, which all threads share, and the processes that they start.
So it is taken only where no other thread runs: nothing else can write or start a process meanwhile. Elsewhere
the lines reach the terminal, and nothing is known of them. Workers that measure clips have one thread each.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import BinaryIO

_STDERR = 2
_OF_MPG123 = re.compile(  # lines with its name, and all that it prints without
    rb"\[[^\]\n]*libmpg123[^\n]*\n?|"
    rb"Note: (?:Illegal Audio-MPEG-Header 0x|Trying to resync\.\.\.|Skipped \d+ bytes in input\."
    rb"|Hit end of \(available\) data during resync\.)[^\n]*\n?|"
    rb"Warning: (?:Xing stream size off by|Encountered more data after announced end of track|Big change "
    rb"[^\n]*Frankenstein|Real sample count \d+ differs from)[^\n]*\n?"
)
_ERROR = re.compile(rb"\berror: |Illegal Audio-MPEG|missing .*bits", re.IGNORECASE)


@dataclass
class Said:
    """What the decoder said in a block."""

    lines: list[bytes] = field(default_factory=list)

    @property
    def damage(self) -> bool:
        """Whether it could not decode a part."""
        return any(_ERROR.search(line) for line in self.lines)


@contextmanager
def decoder_output() -> Iterator[Said]:
    """Within the block nothing of libmpg123 reaches the terminal; after it `Said` has its lines.

    Where other threads run it does, and `Said` has none.
    """
    said = Said()
    terminal = _copy_of_stderr() if threading.active_count() == 1 else None
    if terminal is None:
        yield said
        return
    try:
        with _in_memory() as kept:
            try:
                os.dup2(kept.fileno(), _STDERR)
                yield said
            finally:
                os.dup2(terminal, _STDERR)
                kept.seek(0)
                written = kept.read()
                said.lines += _OF_MPG123.findall(written)
                with suppress(OSError):  # where nobody reads stderr the clip is what it was
                    _write_all(terminal, _OF_MPG123.sub(b"", written))
    finally:
        os.close(terminal)


def _copy_of_stderr() -> int | None:
    """Another descriptor of it, which processes do not inherit; None where it is closed."""
    try:
        return os.dup(_STDERR)
    except OSError:
        return None


def _write_all(descriptor: int, data: bytes) -> None:
    """Write bytes, of which a pipe may take a part at a time."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _in_memory() -> BinaryIO:
    """A file that stands in no folder, where the system has such ones."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("decoder"), "w+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)
