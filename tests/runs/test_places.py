"""Run folders have one writer and reader: no module outside `rlaudio.runs` spells or parses their files."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import rlaudio
from rlaudio.runs import places

PACKAGE = Path(rlaudio.__file__).parent
NAMES = {v for n, v in vars(places).items() if n.isupper() and isinstance(v, str) and "/" not in v}
FILES = {name for name in NAMES if "." in name}
FOLDERS = NAMES - FILES - {places.CLIPS, places.SAMPLES, places.MODELS, places.FINAL}  # words of others, too
READERS = {"StoredFiles", "read_json", "read_rows", "parse_row", "lines", "append_row"}
# Files of other folders that go through the same functions: a comparison's, and the index of clips of a page.
MAY_READ = {"compare/compare_folder.py", "viewer/kept_clips.py", "report/evaluation_page.py"}


def modules() -> dict[str, str]:
    paths = (path for path in PACKAGE.rglob("*.py") if "runs" not in path.relative_to(PACKAGE).parts)
    return {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def spelled(source: str) -> Iterator[str]:
    """Names of run files in a module's texts, prose left out; folders where a path is joined with them."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            parts = set() if any(map(str.isspace, node.value)) else set(node.value.split("/"))
            yield from parts & FILES
            yield from parts & FOLDERS if "/" in node.value else ()
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            yield from {node.right.value} & FOLDERS if isinstance(node.right, ast.Constant) else ()


def imported_readers(source: str) -> set[str]:
    return {
        name.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rlaudio.runs")
        for name in node.names
        if name.name in READERS
    }


def test_no_module_outside_runs_spells_the_name_of_a_run_file():
    named = {path: sorted(set(spelled(source))) for path, source in modules().items()}
    assert {path: names for path, names in named.items() if names} == {}


def test_no_module_outside_runs_parses_a_run_file():
    reading = {path for path, source in modules().items() if imported_readers(source)}
    assert reading <= MAY_READ


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('open(run / "metrics.jsonl")', "metrics.jsonl"),
        ('(run / f"rollouts/{stage}-{step}.jsonl").read_text()', "rollouts"),
        ('files.rows("labels/train/labels.jsonl", shape)', "labels.jsonl"),
        ('(run / "evaluation" / name).glob("*")', "evaluation"),
    ],
)
def test_a_spelled_file_is_seen(line, name):
    assert name in set(spelled(line))


def test_prose_may_name_files():
    assert not set(spelled('"""Write report.html."""\nraise ValueError("found no recipe.yaml here")'))
