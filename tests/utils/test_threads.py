"""Threads are limited by the machine and the environment, and wait asleep."""

import os
import subprocess
import sys

import pytest

from rlaudio.utils.threads import thread_limit, usable_cores, wait_asleep

CORES = usable_cores()


@pytest.mark.parametrize(
    ("asked", "environment", "expected"),
    [
        (1, {}, 1),
        (10_000, {}, CORES),
        (10_000, {"OMP_NUM_THREADS": "1"}, 1),
        (1, {"OMP_NUM_THREADS": "10000"}, 1),
        (10_000, {"OMP_NUM_THREADS": "1,4"}, 1),
        (10_000, {"OMP_NUM_THREADS": ""}, CORES),
        (10_000, {"OMP_NUM_THREADS": "all"}, CORES),
    ],
)
def test_a_recipes_threads_are_a_limit_beside_cores_and_environment(asked, environment, expected):
    assert thread_limit(asked, environment) == expected


BOUND = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, BOUND),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, BOUND),
        ({}, BOUND),
    ],
)
def test_a_control_groups_share_of_time_counts_in_cores(tmp_path, files, expected):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert usable_cores(tmp_path) == expected


def test_threads_wait_asleep_unless_the_environment_says_otherwise():
    quiet: dict[str, str] = {}
    wait_asleep(quiet)
    assert int(quiet["GOMP_SPINCOUNT"]) < 300_000  # the default of GNU's library
    for chosen in ({"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "100"}, {"KMP_BLOCKTIME": "10"}):
        before = dict(chosen)
        wait_asleep(chosen)
        assert chosen == before


LEAVES_A_THREAD = """
import threading, time
from rlaudio.utils.threads import tells_of_threads

with tells_of_threads(lambda message: print(message, flush=True), seconds=0.1):
    threading.Thread(target=time.sleep, args=({seconds},), name="uploader", daemon={daemon}).start()
"""


@pytest.mark.parametrize(("daemon", "told"), [(False, "uploader; Ctrl-C ends them\n"), (True, "")])
def test_a_thread_that_keeps_a_command_from_ending_is_told(daemon, told):
    code = LEAVES_A_THREAD.format(seconds=1, daemon=daemon)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.rpartition(": ")[2] == told


def test_a_command_within_a_longer_process_tells_of_no_threads():
    code = LEAVES_A_THREAD.format(seconds=0.5, daemon=False) + "time.sleep(1)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == ""
