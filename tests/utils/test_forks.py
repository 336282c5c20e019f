"""A copy of the process that code leaves running is ended and told; helpers of its own are left alone."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys

import pytest

from rlaudio.utils.forks import one_process


def test_code_that_forks_and_goes_on_in_both_processes_is_told_and_the_copy_ends(capfd):
    told = "forked, and went on in the new process too, which was ended"
    with pytest.raises(RuntimeError, match=told), one_process("reward x"):
        os.fork()
    assert os.wait()[1] >> 8 == 1
    assert capfd.readouterr().err == "reward x forked, and went on in the new process, which ends here\n"
    with one_process("reward x"):
        pass  # the next call is none of it


def test_a_copy_that_raises_ends_too():
    with pytest.raises(RuntimeError, match="forked, and went on"), one_process("reward x"):
        if not os.fork():
            raise SystemExit(0)
    assert os.wait()[1] >> 8 == 1


def test_processes_that_end_by_themselves_are_left_alone():
    with one_process("reward x"):
        if not (copy := os.fork()):
            os._exit(0)
        os.waitpid(copy, 0)
    with one_process("reward x"):
        subprocess.run([sys.executable, "-c", "pass"], check=True)
    with one_process("reward x"), multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.map(abs, [-1, 2]) == [1, 2]
