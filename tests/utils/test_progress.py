"""What the terminal shows: tables and progress bars."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from itertools import count
from types import SimpleNamespace

import pytest

from rlaudio.utils.progress import progress, with_lines
from rlaudio.utils.text_table import text_table


def test_a_table_has_its_names_flush_left_and_its_numbers_flush_right():
    table = text_table(["", "accuracy"], [["weak", "9.0"], ["strong", "100.0"]])
    assert table.splitlines() == [
        "        accuracy",
        "weak         9.0",
        "strong     100.0",
    ]


def test_progress_passes_every_item_on():
    assert list(progress(range(3), total=3, label="count", unit="item")) == [0, 1, 2]


def test_off_a_terminal_progress_is_a_line_at_the_beginning_and_at_most_nine_on_the_way(capfd):
    hours = count(step=3600)
    assert list(with_lines(range(40), 40, "rl", "step", seconds=lambda: next(hours))) == list(range(40))
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "rl: 40 steps"
    assert [line.split()[1] for line in lines[1:]] == ["4", "8", "13", "17", "22", "26", "31", "35", "40"]
    assert lines[-1] == "rl: 40 of 40 steps, 144000 s"


def test_numbers_stand_behind_a_line_and_are_asked_when_it_is_written(capfd):
    minutes, asked = count(step=60), count(1)
    list(with_lines(range(4), 4, "rl", "step", lambda: next(minutes), numbers=lambda: f"loss {next(asked)}"))
    assert capfd.readouterr().err.splitlines() == [
        "rl: 4 steps",
        "rl: 1 of 4 steps, 60 s; loss 1",
        "rl: 2 of 4 steps, 120 s; loss 2",
        "rl: 3 of 4 steps, 180 s; loss 3",
        "rl: 4 of 4 steps, 240 s; loss 4",
    ]


def test_what_was_done_before_counts(capfd):
    hours = count(step=3600)
    assert list(with_lines(range(31, 40), 40, "rl", "step", lambda: next(hours), done=31)) == list(
        range(31, 40)
    )
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "rl: 40 steps, 31 of them done before"
    assert [line.split()[1] for line in lines[1:]] == ["32", "33", "34", "35", "36", "37", "38", "39", "40"]
    assert lines[-1].startswith("rl: 40 of 40 steps, ")


def test_what_is_quickly_done_says_only_that_it_begins_and_ends(capfd):
    list(with_lines(range(40), 40, "evaluate", "question", seconds=lambda: 7.0))
    assert capfd.readouterr().err.splitlines() == [
        "evaluate: 40 questions",
        "evaluate: 40 of 40 questions, 0 s",
    ]


def test_progress_without_a_known_end_counts_when_it_is_there(capfd):
    list(with_lines(iter("abc"), None, "clips", "clip", seconds=lambda: 7.0))
    assert capfd.readouterr().err.splitlines() == ["clips: begins", "clips: 3 clips, 0 s"]


def test_of_several_processes_the_first_alone_shows_progress(capfd, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    assert list(progress(range(3), total=3, label="count", unit="item")) == [0, 1, 2]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("columns", "shown"), [(0, "rl: 3 steps"), (80, None)])
def test_a_terminal_without_a_width_gets_lines(columns, shown):
    """A bar waits two seconds before it shows, so on a terminal nothing is seen of three steps."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    program = "from rlaudio.utils.progress import progress; list(progress(range(3), 3, 'rl', 'step'))"
    try:
        subprocess.run([sys.executable, "-c", program], stderr=theirs, check=True)
        os.write(theirs, b"end\n")
        said = b""
        while b"end" not in said:
            said += os.read(ours, 4096)
    finally:
        os.close(ours)
        os.close(theirs)
    assert said.decode().splitlines()[0] == (shown or "end")


class _Kernel:
    """What IPython gives where a notebook's kernel runs the code."""


@pytest.fixture
def notebook(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel.zmqshell", SimpleNamespace(ZMQInteractiveShell=_Kernel))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=_Kernel))


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_notebook_gets_a_bar_although_it_is_no_terminal(notebook, monkeypatch, capfd, no_color):
    monkeypatch.setenv("NO_COLOR", no_color)
    for _ in progress(range(2), total=2, label="rl", unit="step"):
        time.sleep(0.3)  # a quicker loop has none
    told = capfd.readouterr().err
    assert "rl: " in told and "2/2" in told and "\x1b[3" not in told  # the latter is a colour


def test_a_notebook_gets_its_widgets_unless_no_color_is_set(notebook, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", SimpleNamespace(tqdm=lambda items, **_: ["widget"]))
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert list(progress(range(3), total=3, label="rl", unit="step")) == ["widget"]
    monkeypatch.setenv("NO_COLOR", "1")
    assert list(progress(range(3), total=3, label="rl", unit="step")) == [0, 1, 2]
