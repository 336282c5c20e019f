"""What a process does with memory that it gave back."""

import platform
import subprocess
import sys

import pytest

# Fills and frees 16 MB again and again; prints how many pages the system had to hand out in the end.
PAGES = """
import resource, sys
import numpy as np
from rlaudio.utils.peak_memory import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
for _ in range(5):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    first, second = np.ones(2**20), np.ones(2**20)
    del first, second
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages(how: str) -> int:
    command = [sys.executable, "-c", PAGES, how]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_freed_memory_is_kept_for_the_next_tensor():
    assert pages("keep") < 100 < 500 < pages("return")
