"""What libmpg123 prints does not reach the terminal, and what others print does."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rlaudio.audio.decoder_output import decoder_output

ERROR = b"[src/libmpg123/layer3.c:INT123_do_layer3():1804] error: dequantization failed!\n"
WARNING = (
    b"Warning: Xing stream size off by more than 1%, fuzzy seeking may be even more fuzzy than by design!\n"
)


# Lines of others, and of nobody who is known.
OTHERS = b"""loss 0.3
Error: Cannot open the cache
Warning: Stream of cam0 closed
Warning: Frame 3 of cam0 dropped
Warning: Encountered 3 bad rows
Note: Skipped step 4
"""


@pytest.fixture(autouse=True)
def no_other_threads(monkeypatch):
    """Threads of other tests may go on in this process."""
    monkeypatch.setattr(threading, "active_count", lambda: 1)


def test_lines_of_the_decoder_are_kept_and_other_lines_are_passed_on(capfd):
    with decoder_output() as said:
        os.write(2, OTHERS + ERROR + b"loss 0.2\n" + WARNING)
    assert capfd.readouterr().err == OTHERS.decode() + "loss 0.2\n"
    assert said.lines == [ERROR, WARNING] and said.damage


def test_a_warning_is_no_damage_and_a_line_of_another_program_neither(capfd):
    with decoder_output() as said:
        os.write(2, WARNING + b"Warning: error: something else\n")
    assert not said.damage
    assert capfd.readouterr().err == "Warning: error: something else\n"


def test_the_terminal_comes_back_after_an_error(capfd):
    try:
        with decoder_output():
            raise ValueError
    except ValueError:
        os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_where_other_threads_run_stderr_is_left_to_all(monkeypatch, capfd):
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    with decoder_output() as said:
        subprocess.run([sys.executable, "-c", "import os; os.write(2, b'of a child')"], check=True)
        if not (child := os.fork()):
            with decoder_output():
                os._exit(os.write(2, b" of another") != 11)
        assert os.waitpid(child, 0)[1] == 0
        assert capfd.readouterr().err == "of a child of another"  # at once
    assert said.lines == []


def test_a_pipe_that_takes_a_part_at_a_time_gets_all(monkeypatch, capfd):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data[:7])))
    with decoder_output():
        write(2, OTHERS)
    assert capfd.readouterr().err == OTHERS.decode()


def test_an_stderr_that_nobody_reads_is_no_error_and_leaves_no_descriptor(monkeypatch):
    def refuse(descriptor, data):
        raise BrokenPipeError

    before = descriptors()
    with decoder_output() as said:
        os.write(2, OTHERS + ERROR)
        monkeypatch.setattr(os, "write", refuse)
    assert descriptors() == before and said.damage


def descriptors() -> list[str]:
    return sorted(path.name for path in Path("/dev/fd").iterdir())


def test_a_closed_stderr_is_nothing_to_take():
    kept = os.dup(2)
    os.close(2)
    try:
        with decoder_output() as said:
            pass
    finally:
        os.dup2(kept, 2)
        os.close(kept)
    assert said.lines == []
