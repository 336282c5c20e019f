"""Where rlaudio keeps what it generates."""

from __future__ import annotations

import os
from pathlib import Path


def cache_root() -> Path:
    """`$XDG_CACHE_HOME/rlaudio`, by default `~/.cache/rlaudio`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rlaudio"
