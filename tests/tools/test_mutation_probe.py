"""tools/mutation_probe still fits the code that it edits; what it finds takes minutes: not asked here."""

import ast
import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def load_probe():
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        loader = SourceFileLoader("mutation_probe", str(ROOT / "tools" / "mutation_probe"))
        module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
        sys.modules[loader.name] = module  # dataclasses look their module up
        loader.exec_module(module)
        return module
    finally:
        sys.path.pop(0)


probe = load_probe()


@pytest.mark.parametrize("edit", probe.EDITS, ids=lambda edit: edit.what)
def test_every_edit_fits_the_code_once_and_leaves_it_readable(edit):
    source = (ROOT / edit.file).read_text(encoding="utf-8")
    assert source.count(edit.old) == 1, f"{edit.file} has {edit.old!r} {source.count(edit.old)} times"
    ast.parse(source.replace(edit.old, edit.new))
    assert edit.old != edit.new and all((ROOT / test).is_file() for test in edit.tests)


def test_an_edit_is_made_and_taken_back(tmp_path):
    (tmp_path / "a.py").write_text("one = 1\n", encoding="utf-8")
    edit = probe.Edit("count wrong", "a.py", "= 1", "= 2", ())
    with probe.edited(tmp_path, edit) as fits:
        assert fits and (tmp_path / "a.py").read_text(encoding="utf-8") == "one = 2\n"
    assert (tmp_path / "a.py").read_text(encoding="utf-8") == "one = 1\n"


@pytest.mark.parametrize("old", ["= 3", "1"])
def test_an_edit_that_fits_nowhere_or_twice_is_not_made(tmp_path, old):
    (tmp_path / "a.py").write_text("one = 11\n", encoding="utf-8")
    with probe.edited(tmp_path, probe.Edit("count wrong", "a.py", old, "= 2", ())) as fits:
        assert not fits and (tmp_path / "a.py").read_text(encoding="utf-8") == "one = 11\n"


@pytest.mark.slow
def test_a_test_that_fails_is_named_and_one_that_passes_is_a_survivor(tmp_path):
    (tmp_path / "test_good.py").write_text("def test_good():\n    assert True\n", encoding="utf-8")
    (tmp_path / "test_bad.py").write_text("def test_bad():\n    assert False\n", encoding="utf-8")
    assert probe.run_tests(tmp_path, ("test_bad.py",)) == ("test_bad.py::test_bad", "")
    assert probe.run_tests(tmp_path, ("test_good.py",)) == ("", "no test noticed")
    assert probe.run_tests(tmp_path, ("missing.py",))[1].startswith("the tests did not run")
