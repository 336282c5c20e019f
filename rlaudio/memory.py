"""How much memory this process has needed."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_memory_gb() -> float:
    """Most memory that this process held at once, in GiB, accelerators left out."""
    if _STATUS.exists():  # rusage would count what a parent held before it started this process
        return _status_gb("VmHWM")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


def _status_gb(key: str) -> float:
    line = next(line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith(key))
    return int(line.split()[1]) / 2**20  # the file counts in KiB
