"""Data that is made rather than found: where it is kept, and under which name it is never stale."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path


def cache_folder(kind: str) -> Path:
    """Where made data is kept: `$XDG_CACHE_HOME/rlaudio/KIND`, by default below `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rlaudio" / kind


def source_digest(package: Path) -> str:
    """A digest over a package's source, so that what an older version made is not taken for today's."""
    return digest_of(file.read_bytes() for file in sorted(package.glob("*.py")))


def digest_of(parts: Iterable[bytes]) -> str:
    """A short hex digest over several byte strings and their boundaries."""
    digest = hashlib.blake2b(digest_size=6)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()
