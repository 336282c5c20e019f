"""Errors of the user's become one message."""

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from rlaudio.cli.errors import INTERRUPTED

FULL = Path("/dev/full")


def test_the_documented_exit_statuses_are_those_of_the_code():
    page = (Path(__file__).parents[2] / "docs" / "command_line.md").read_text(encoding="utf-8")
    statuses = [int(number) for number in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)]
    assert statuses == [0, click.ClickException.exit_code, click.UsageError.exit_code, INTERRUPTED]


@pytest.mark.skipif(not FULL.exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", [["--help"], ["list", "algorithm"]])
def test_an_output_that_is_full_is_one_message(arguments):
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "rlaudio", *arguments], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: standard output: No space left on device; ")
    assert "Traceback" not in done.stderr


def test_a_file_does_not_take_the_place_of_a_closed_output(tmp_path):
    program = (
        "import os; from rlaudio.cli import main; main(['list', 'algorithm'], standalone_mode=False)\n"
        f"file = os.open({str(tmp_path / 'file')!r}, os.O_CREAT | os.O_WRONLY)\n"
        "os.write(file, b'its own'); os.write(1, b'x')"
    )
    subprocess.run(["sh", "-c", '"$1" -c "$2" >&-', "sh", sys.executable, program], check=True)
    assert (tmp_path / "file").read_text() == "its own"


# A program of commands that print, as a user's plug-in does, and name a file, in other signs than ASCII's.
SAYING = """
import click
from rlaudio.cli.errors import Commands
main = Commands("main", params=[click.Option(["--debug"], is_flag=True)])
main.command("say")(lambda: print("\\u00e9"))
main.command("open")(lambda: open("\\u00e9"))
main()
"""


def answer(command: str, **environment: str) -> str:
    """What a command of `SAYING` prints, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", SAYING, command],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.stdout


def test_signs_that_the_output_lacks_are_escaped():
    assert answer("say", PYTHONIOENCODING="ascii") == "\\xe9\n"


def test_a_name_that_the_locale_cannot_write_is_told_with_what_to_set():
    said = answer("open", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert said.startswith("Error: ") and "'ascii' codec can't encode character" in said
    assert said.endswith("names of files are read as ascii here, others are not found; set PYTHONUTF8=1\n")
