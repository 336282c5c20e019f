"""How many CPU threads torch computes with, and how they wait; threads that outlive a command.

Numbers depend on the number of threads in their last bits, so a run records it.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path

# How long OpenMP threads spin for their next work before they sleep. GNU's, which torch's CPU build brings,
# spin 300,000 times: 25 steps of a tiny model on two cores took 19 s so, 25 s without, 16 s with 20,000.
_WAITING = {"GOMP_SPINCOUNT": "20000", "KMP_BLOCKTIME": "1"}  # the latter is Intel's, in milliseconds


def wait_asleep(environment: MutableMapping[str, str] = os.environ) -> None:
    """Have OpenMP threads sleep while they wait, unless the environment says otherwise; before torch loads.

    A thread that spins takes a core from the one that it waits for, where there are more of them than cores.
    """
    if not {*_WAITING, "OMP_WAIT_POLICY"} & set(environment):
        environment.update(_WAITING)


def compute_alone() -> None:
    """Have torch compute with this thread alone in what it is asked for by this thread.

    Every thread that calls torch has a team of OpenMP threads of its own. Where all of them are more than the
    cores, GNU's hardly spin before they sleep, in the main thread's team too: on two cores a step of the main
    job took 0.66 s with a second team of two, and 0.49 s without.
    """
    import torch  # takes seconds, and threads may do without it

    torch.set_num_threads(1)


def thread_limit(asked: int, environment: Mapping[str, str] = os.environ) -> int:
    """At most `asked` threads: no more than cores for this process, or than OMP_NUM_THREADS says."""
    named = environment.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # "4,2": of nested regions
    limits = [asked, usable_cores()]
    if named.isdigit() and int(named):
        limits.append(int(named))
    return min(limits)


def usable_cores(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Cores that this process may use: those it is bound to, within its control group's share of time."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(bound, _share_of_time(groups))))


@contextmanager
def tells_of_threads(say: Callable[[str], object], seconds: float = 3.0) -> Iterator[None]:
    """A block that is a whole command; where the process has not ended `seconds` later, what it waits for.

    Python waits for every thread that is no daemon.
    """
    try:
        yield
    finally:
        timer = threading.Timer(seconds, lambda: _tell_of_threads(say))
        timer.daemon = True
        timer.start()


def _tell_of_threads(say: Callable[[str], object]) -> None:
    main = threading.main_thread()
    left = [thread.name for thread in threading.enumerate() if not thread.daemon and thread is not main]
    if left and not main.is_alive():
        say(
            f"the command has ended, but not the threads that it started: {', '.join(left)}; Ctrl-C ends them"
        )


def _share_of_time(groups: Path) -> float:
    """Cores' worth of time that the control group may use; infinite without a limit."""
    whole = _words(groups / "cpu.max")  # version 2: "200000 100000" or "max 100000"
    limits = whole or [*_words(groups / "cpu/cpu.cfs_quota_us"), *_words(groups / "cpu/cpu.cfs_period_us")]
    if len(limits) != 2 or limits[0] == "max" or int(limits[0]) <= 0:
        return math.inf
    return int(limits[0]) / int(limits[1])


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").split()
    except OSError:
        return []
