"""tools/house on a made-up tree whose figures are counted by hand."""

import importlib.util
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

NINE_LINES = [f"    total += {number}\n" for number in range(9)]
TEN_LINES_OF_IMPORT = "from typing import (\n" + "    Any,\n" * 8 + ")\n"
FILES = {
    "README.md": "# made up\n",
    "rlaudio/__init__.py": "",
    "rlaudio/lessons.py": f'''"""What pupils are taught; of course."""
from typing import Literal

Row = Literal["a", "b"]
SIZES = dict[str, int]


class Lesson:
    batch: int = 64
    rate: float = Field(default=0.25)
    seed: int = 0
    step: int = 1

    def teach(self, one: int, b: int, c: int, d: int, e: int, f: int, *, g: int = 7) -> None:
        """Teaches."""


def copied(total):
    found = total
{"".join(NINE_LINES)}    return found
{TEN_LINES_OF_IMPORT}''',
    "rlaudio/data/lessons.py": f'''"""No company."""
import json


class Row:
    """A row."""


def _private(batch: int = 64, rate: float = 0.5, g: int = 7, seed: int = 0, step: int = 1) -> str:
    total = 0
{"".join(NINE_LINES[:5])}
    # a comment is no line of code
{"".join(NINE_LINES[5:])}    return "a text that is longer than forty characters"
{TEN_LINES_OF_IMPORT}''',
    "rlaudio/models/kept_step.py": """class KeptStep:
    said: str = "a text that is longer than forty characters"
""",
    "tests/test_rows.py": """def test_a_row():
    own = 1
    assert own


def helper():
    pass
""",
    "untracked.py": "class Row:\n    batch: int = 64\n",
}


@pytest.fixture(scope="module")
def house():
    loader = SourceFileLoader("house", str(ROOT / "tools" / "house"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("house", loader))
    loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tree")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    subprocess.run(["git", "add", "README.md", "rlaudio", "tests"], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def figures(house, tree):
    return {figure.name: figure for figure in house.figures(tree)}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("modules", 4),
        ("lines of source", 73),
        ("lines of tests", 7),
        ("test functions", 1),
        ("test functions per 100 lines of source", 1.4),
        ("bytes of README.md", 10),
        ("names directly under rlaudio/", 3),
        ("lines of the longest file", 39),
        ("lines of the longest function", 14),
        ("median lines of a function", 12),
        ("functions with more than 6 parameters", 1),
        ("% of functions fully annotated", 66.7),
        ("% of public names with a docstring", 40.0),
        ("type names in more than one module", 1),
        ("defaults that stand twice", 2),
        ("texts of more than 40 characters that stand twice", 1),
        ("files of one name in neighbouring folders", 1),
        ("copies of 8 lines or more between files", 1),
        ("private words in source", 7),
        ("variables named one, own, found in source", 2),
        ("private words in tests", 0),
        ("variables named one, own, found in tests", 1),
    ],
)
def test_a_figure_is_what_was_counted_by_hand(figures, name, value):
    assert figures[name].value == value


def test_the_untracked_file_is_not_counted(figures):
    tracked = sum(len(text.encode()) for name, text in FILES.items() if name != "untracked.py")
    assert figures["bytes of all tracked files"].value == tracked


@pytest.mark.parametrize(
    ("name", "entries"),
    [
        ("names directly under rlaudio/", ["data lessons.py models"]),
        ("functions with more than 6 parameters", ["    7 rlaudio/lessons.py:14 teach"]),
        ("type names in more than one module", ["Row: rlaudio/data/lessons.py:5, rlaudio/lessons.py:4"]),
        (
            "defaults that stand twice",
            [
                "batch = 64: rlaudio/data/lessons.py:9, rlaudio/lessons.py:9",
                "g = 7: rlaudio/data/lessons.py:9, rlaudio/lessons.py:14",
            ],
        ),
        ("files of one name in neighbouring folders", ["rlaudio/data/lessons.py rlaudio/lessons.py"]),
        (
            "copies of 8 lines or more between files",
            ["    9 rlaudio/data/lessons.py:11 rlaudio/lessons.py:20"],
        ),
    ],
)
def test_a_list_says_where(figures, name, entries):
    assert list(figures[name].entries) == entries


def test_two_trees_stand_side_by_side(tree):
    command = [sys.executable, ROOT / "tools" / "house", tree, "--against", tree]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert printed[0].split() == ["|", "before", "|", "after"]
    assert printed[1].split() == ["modules", "|", "4", "|", "4"] and len(printed) == 24
