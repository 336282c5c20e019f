"""A copy of the process that code leaves running is ended and told; helpers of its own are left alone."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time

import pytest

from rlaudio.utils.forks import ForkedOn, late_copies, one_process


def test_code_that_forks_and_goes_on_in_both_processes_is_told_and_the_copy_ends(capfd):
    told = "it forked, and went on in the new process too, which was ended"
    with pytest.raises(ForkedOn, match=told), one_process("reward x"):
        if copy := os.fork():
            assert ended_with(copy) == 1
    assert capfd.readouterr().err == "reward x forked, and went on in the new process, which ends here\n"
    assert is_reaped(copy)
    with one_process("reward x"):
        pass  # the next call is none of it
    assert late_copies() == []


def test_a_copy_that_raises_ends_too():
    with pytest.raises(ForkedOn, match="forked, and went on"), one_process("reward x"):
        if not (copy := os.fork()):
            raise SystemExit(0)
        assert ended_with(copy) == 1


def test_a_copy_that_returns_late_is_ended_reaped_and_told_of_the_call_that_forked(capfd):
    waiting, going_on = os.pipe()
    with one_process("reward a"):
        if not (copy := os.fork()):
            os.close(going_on)
            os.read(waiting, 1)  # until the call is long over
    os.close(waiting)
    with one_process("reward b"):
        assert late_copies() == []
        os.close(going_on)
        assert ended_with(copy) == 1
    [told] = late_copies()
    assert told.startswith("reward a forked, and went on in the new process too, which was ended")
    assert late_copies() == [] and is_reaped(copy)
    assert capfd.readouterr().err == "reward a forked, and went on in the new process, which ends here\n"


def test_a_copy_that_forks_is_told_as_well_as_its_copy():
    with pytest.raises(ForkedOn), one_process("reward x"):
        if (copy := os.fork()) or os.fork():
            ended_with(copy or os.wait()[0])
    with one_process("reward x"):
        pass
    assert late_copies() == []


def test_helpers_cost_no_waiting(monkeypatch):
    sleeps = []
    monkeypatch.setattr(time, "sleep", sleeps.append)
    for _ in range(2):
        with one_process("reward x"), multiprocessing.get_context("fork").Pool(1) as pool:
            assert pool.map(forks_itself, [0]) == [True]
        with one_process("reward x"):
            subprocess.run([sys.executable, "-c", "pass"], check=True, preexec_fn=os.getpid)
        with one_process("reward x"):
            if not (copy := os.fork()):
                os._exit(0)
            os.waitpid(copy, 0)
    assert sleeps == [] and late_copies() == []


def test_copies_in_a_helper_are_told_there_and_not_here():
    with one_process("reward x"), multiprocessing.get_context("fork").Pool(1) as pool:
        [told] = pool.map(has_a_copy, [0])
        assert "it forked, and went on" in told
    assert late_copies() == []


def test_processes_that_end_by_themselves_are_left_alone():
    with one_process("reward x"):
        if not (copy := os.fork()):
            os._exit(0)
        os.waitpid(copy, 0)
    with one_process("reward x"):
        subprocess.run([sys.executable, "-c", "pass"], check=True)
    with one_process("reward x"), multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.map(abs, [-1, 2]) == [1, 2]


def ended_with(copy: int) -> int:
    """The status with which a process ends, which is left to be reaped."""
    result = os.waitid(os.P_PID, copy, os.WEXITED | os.WNOWAIT)
    assert result is not None
    return result.si_status


def is_reaped(copy: int) -> bool:
    try:
        os.waitpid(copy, os.WNOHANG)
    except ChildProcessError:
        return True
    return False


def forks_itself(_: int) -> bool:
    if not (copy := os.fork()):
        os._exit(0)
    return os.waitpid(copy, 0)[0] == copy


def has_a_copy(_: int) -> str:
    try:
        with one_process("in a helper"):
            if copy := os.fork():
                ended_with(copy)
    except ForkedOn as error:
        return str(error)
    return ""
