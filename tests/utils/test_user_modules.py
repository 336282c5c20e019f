"""A user's file is imported with the modules beside it, and nobody else sees them."""

import sys
from pathlib import Path

import pytest

from rlaudio.utils.user_modules import import_file, with_helpers


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def using(file: Path, before: str, value: str) -> Path:
    """A file that begins with `before` and has a function of that value."""
    return write(file, f"{before}\ndef call():\n    return {value}\n")


WAYS = {
    "from helper import k": "k()",
    "from helper import *": "k()",
    "from .helper import k": "k()",
    "import helper": "helper.k()",
    "import helper as h": "h.k()",
    "import os, helper": "helper.k()",
    "import parts.inner": "parts.inner.k() + parts.name",
    "import parts.inner as inner": "inner.k()",
    "from parts import inner": "inner.k()",
    "from parts.inner import k": "k()",
    "from spread.inner import k": "k()",
    "def k():\n    import helper\n    return helper.k()": "k()",
    "import chain": "chain.k()",
}


@pytest.mark.parametrize(("text", "call"), WAYS.items(), ids=WAYS)
def test_modules_and_packages_beside_a_file_are_imported_in_every_way(tmp_path, text, call):
    for name in ("helper.py", "parts/inner.py", "spread/inner.py"):
        write(tmp_path / name, "def k(): return 'k'\n")
    write(tmp_path / "parts/__init__.py", "name = ''\n")
    write(tmp_path / "chain.py", "from helper import k\n")
    file = using(tmp_path / "mine.py", text, call)
    assert import_file(file).call() == "k"


def test_files_beside_are_listed_where_they_are_imported_directly_or_by_each_other(tmp_path):
    helper = write(tmp_path / "helper.py", "import json\nfrom parts import inner\nimport mine\n")
    inner = write(tmp_path / "parts" / "inner.py", "")
    write(tmp_path / "unused.py", "")
    write(tmp_path / "json.py", "")
    file = using(tmp_path / "mine.py", "def f():\n    import helper, numpy", "None")
    assert with_helpers([file]) == [file, helper, inner]


def test_helpers_of_one_name_in_two_folders_are_two_modules(tmp_path):
    values = []
    for folder in ("a", "b"):
        write(tmp_path / folder / "helper.py", f"WHO = '{folder}'\n")
        file = using(tmp_path / folder / "mine.py", "import helper", "helper.WHO")
        values.append(import_file(file).call())
    assert values == ["a", "b"] and "helper" not in sys.modules


def test_two_plug_ins_of_one_folder_share_their_helper(tmp_path):
    write(tmp_path / "helper.py", "seen = []\n")
    first, second = (using(tmp_path / f"{n}.py", "from helper import seen", "seen") for n in ("a", "b"))
    assert import_file(first).call() is import_file(second).call()


def test_a_helper_goes_before_a_file_of_its_name_in_the_working_directory(tmp_path, monkeypatch):
    write(tmp_path / "here" / "helper.py", "WHO = 'working directory'\n")
    write(tmp_path / "there" / "helper.py", "WHO = 'beside'\n")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.syspath_prepend("")
    file = using(tmp_path / "there" / "mine.py", "import helper", "helper.WHO")
    assert import_file(file).call() == "beside"


@pytest.mark.parametrize("name", ["json", "numpy", "rlaudio", "torch", "sys"])
def test_a_file_beside_hides_no_installed_package_and_nothing_of_python(tmp_path, name):
    write(tmp_path / f"{name}.py", "raise RuntimeError('the file beside')\n")
    file = using(tmp_path / "mine.py", f"import {name}", name)
    assert import_file(file).call() is sys.modules[name]


def test_neither_the_search_path_nor_the_users_folder_changes(tmp_path):
    write(tmp_path / "helper.py", "")
    before = list(sys.path)
    import_file(using(tmp_path / "mine.py", "import helper", "None"))
    assert sys.path == before and sorted(path.name for path in tmp_path.iterdir()) == ["helper.py", "mine.py"]
