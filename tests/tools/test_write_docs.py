"""tools/write_docs: the pages of metrics and keys are whole; tests/test_docs.py tests that they are new."""

import re

import pytest

from rlaudio.config.schema import field_table
from rlaudio.runs.metrics import METRICS
from tests.tool_scripts import load_tool


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return load_tool("write_docs").pages()


def names_below(page: str, heading: str) -> dict[str, str]:
    """First cells of all tables, and the heading above each."""
    parts = re.findall(rf"^## {heading}\n\n(.*?)(?=\n\n|\Z)", page, re.DOTALL | re.MULTILINE)
    rows = [(title, row) for title, table in parts for row in table.splitlines()]
    return {row.split("`")[1]: title for title, row in rows if row.startswith("| `")}


def test_every_metric_has_a_row_below_the_heading_of_its_group(pages):
    assert names_below(pages["metrics.md"], r"(\w+)") == {metric.name: metric.group for metric in METRICS}


def test_every_key_has_a_row_below_the_heading_of_its_section(pages):
    shown = names_below(pages["recipe.md"], r"Keys of ([\w ]+)")
    assert sorted(shown) == sorted(key for key, *_ in field_table())
    assert shown["sampling.top_k"] == "sampling" and shown["seed"] == "the recipe itself"


def test_a_bar_in_a_meaning_does_not_end_its_cell(pages):
    (row,) = re.findall(r"^\| `loss/kl`.*$", pages["metrics.md"], re.MULTILINE)
    assert row.count(" | ") == 2 and r"KL(policy \|\| reference)" in row


def test_a_tag_in_a_meaning_is_text(pages):
    (row,) = re.findall(r"^\| `prompt.style`.*$", pages["recipe.md"], re.MULTILINE)
    assert "&lt;think>" in row and "<think>" not in row
