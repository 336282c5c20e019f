"""What libmpg123 prints on its own account: kept from the terminal, and made a fact about the clip.

The library writes to the descriptor of stderr, which all threads share. So one mp3 is decoded at a time, and
what others have written meanwhile is passed on.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

_STDERR = 2
_OF_MPG123 = re.compile(
    rb"\[[^\]\n]*libmpg123[^\n]*\n?|"
    rb"(?:Note|Warning|Error): (?:Xing|Illegal Audio-MPEG|Trying to resync|Skipped |missing |Stream |"
    rb"Hit end |Frame |Real sample|Big change|Cannot |Encountered )[^\n]*\n?"
)
_ERROR = re.compile(rb"\berror: |Illegal Audio-MPEG|missing .*bits", re.IGNORECASE)
_alone = threading.RLock()


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
    """Within the block nothing of libmpg123 reaches the terminal; after it `Said` has its lines."""
    said = Said()
    with _alone, _in_memory() as kept:
        try:
            terminal = os.dup(_STDERR)
        except OSError:  # stderr is closed: nothing reaches a terminal
            yield said
            return
        os.dup2(kept.fileno(), _STDERR)
        try:
            yield said
        finally:
            os.dup2(terminal, _STDERR)
            kept.seek(0)
            written = kept.read()
            said.lines += _OF_MPG123.findall(written)
            if others := _OF_MPG123.sub(b"", written):
                os.write(terminal, others)
            os.close(terminal)


def _in_memory() -> BinaryIO:
    """A file that stands in no folder, where the system has such ones."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("decoder"), "w+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)
