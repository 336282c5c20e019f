"""The cache of generated data, by names that change with the code that generates it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from rlaudio.utils.cache_root import cache_root


def cache_folder(kind: str) -> Path:
    """Where generated data of a kind is kept."""
    return cache_root() / kind


def source_digest(package: Path) -> str:
    """A digest over a package's source, so that data of an older version is not reused."""
    return digest_of(file.read_bytes() for file in sorted(package.glob("*.py")))


def digest_of(parts: Iterable[bytes]) -> str:
    """A short hex digest over several byte strings and their boundaries."""
    digest = hashlib.blake2b(digest_size=6)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()
