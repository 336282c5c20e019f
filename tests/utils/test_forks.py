"""A copy of the process that code leaves running is ended and says so; other processes are left alone."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys

import pytest

from rlaudio.utils.forks import one_process

TOLD = "reward x forked, and went on in the new process, which ends here; expected os._exit there"


def leaves():
    """Code that goes on in both processes."""


def raises():
    raise SystemExit(0)


@pytest.mark.parametrize("goes_on", [leaves, raises])
def test_a_copy_ends_where_the_call_ends_and_the_run_goes_on(goes_on, capfd):
    with one_process("reward x"):
        if not (copy := os.fork()):
            goes_on()
    assert ended_with(copy) == 1
    assert capfd.readouterr().err.startswith(TOLD)


def test_a_copy_that_forks_ends_as_well_as_its_copy(capfd):
    with one_process("reward x"):
        if (copy := os.fork()) or (copy_of_copy := os.fork()):
            ended_with(copy or copy_of_copy)
    assert capfd.readouterr().err.count(TOLD) == 2


def test_a_copy_is_gone_from_the_process_table_after_a_later_call(capfd):
    with one_process("reward x"):
        copy = os.fork()
    os.waitid(os.P_PID, copy, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has asked for its status
    with one_process("reward y"):
        pass
    with pytest.raises(ChildProcessError):
        os.waitpid(copy, os.WNOHANG)


def test_processes_that_end_by_themselves_are_left_alone(capfd):
    with one_process("reward x"):
        if not (copy := os.fork()):
            os._exit(0)
        assert ended_with(copy) == 0
    with one_process("reward x"):
        subprocess.run([sys.executable, "-c", "pass"], check=True, preexec_fn=os.getpid)
    with one_process("reward x"), multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.map(abs, [-1, 2]) == [1, 2]
    assert capfd.readouterr().err == ""


def ended_with(copy: int) -> int:
    """The status with which a process ends."""
    return os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])
