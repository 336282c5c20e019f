"""Peak memory of this process, and an option of the C library that saves time."""

from __future__ import annotations

import ctypes
import resource
import sys
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")
# Options of glibc's mallopt by their numbers in malloc.h.
_KEEPING = {
    -4: 0,  # M_MMAP_MAX: no block is mapped on its own, which would be returned with its tensor
    -1: 2**31 - 1,  # M_TRIM_THRESHOLD
    -2: 64 * 2**20,  # M_TOP_PAD
}


def peak_memory_gb() -> float:
    """Most memory that this process held at once, in GiB, accelerators left out."""
    if _STATUS.exists():  # rusage would count what a parent held before it started this process
        return _status_gb("VmHWM")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


def keep_freed_memory() -> bool:
    """Make the C library keep freed memory for the next tensors; False where it has no such option.

    glibc returns large blocks to the system, which has to clear every page before it is used again: 3 to
    25 % of the time of an update on a CPU, more with larger micro-batches. The peak memory stays the same.
    """
    library: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not hasattr(library, "mallopt"):
        return False
    return all(library.mallopt(option, value) == 1 for option, value in _KEEPING.items())


def _status_gb(key: str) -> float:
    line = next(line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith(key))
    return int(line.split()[1]) / 2**20  # the file counts in KiB
