"""Errors of the user's become one message."""

import re
from pathlib import Path

import click

from rlaudio.cli.errors import INTERRUPTED


def test_the_documented_exit_statuses_are_those_of_the_code():
    page = (Path(__file__).parents[2] / "docs" / "command_line.md").read_text(encoding="utf-8")
    statuses = [int(number) for number in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)]
    assert statuses == [0, click.ClickException.exit_code, click.UsageError.exit_code, INTERRUPTED]
