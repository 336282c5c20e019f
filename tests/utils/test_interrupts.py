"""Code that asks to end the process is answered by an exception; the status of the process stays its own."""

import os
import posix
import subprocess
import sys
import threading

import pytest

from rlaudio.utils.interrupts import RefusedEnd, refused_ends

ENDS = {
    "os._exit(0)": lambda: os._exit(0),
    "os._exit(1)": lambda: posix._exit(1),  # the module that os has it from
    "os.execv('/bin/true', ['true'])": lambda: os.execv("/bin/true", ["true"]),
    "os.execv('/bin/true', ('true',))": lambda: os.execl("/bin/true", "true"),
    "os.execve('/bin/true', ['true'], {})": lambda: os.execve("/bin/true", ["true"], {}),
}


@pytest.mark.parametrize(("called", "end"), ENDS.items(), ids=ENDS)
def test_what_ends_a_process_at_once_raises_and_is_named(called, end):
    with refused_ends(), pytest.raises(RefusedEnd) as caught:
        end()
    assert str(caught.value) == called


def test_a_thread_that_asks_ends_alone():
    caught = []

    def asks():
        try:
            os._exit(0)
        except RefusedEnd as error:
            caught.append(str(error))

    with refused_ends():
        thread = threading.Thread(target=asks)
        thread.start()
        thread.join()
    assert caught == ["os._exit(0)"]


def test_a_forked_child_ends_as_it_likes():
    with refused_ends():
        child = os.fork()
        if not child:
            os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


ENDINGS = {
    "refuse_ends(); atexit.register(os._exit, 0); sys.exit(3)": 3,
    "refuse_ends(); threading.Thread(target=os._exit, args=[0]).start(); sys.exit(3)": 3,
    "with refused_ends(): pass\nos._exit(5)": 5,
}


@pytest.mark.parametrize(("program", "status"), ENDINGS.items(), ids=ENDINGS)
def test_the_status_of_a_process_is_its_own(program, status):
    imports = "import atexit, os, sys, threading\nfrom rlaudio.utils.interrupts import *\n"
    done = subprocess.run([sys.executable, "-c", imports + program], stderr=subprocess.DEVNULL, timeout=300)
    assert done.returncode == status
