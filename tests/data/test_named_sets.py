"""Data sets as they are named on the command line and in Python."""

import pytest

from rlaudio.data.named_sets import data_set, existing, name_and_path


@pytest.mark.parametrize(
    ("text", "name", "spec"),
    [
        ("mmau=/data/MMAU", "mmau", {"use": "mmau", "path": "/data/MMAU"}),
        ("./mine.py=x.csv", "mine", {"use": "./mine.py", "path": "x.csv"}),
        ("mmau=a=b", "mmau", {"use": "mmau", "path": "a=b"}),
        (
            "/data/some questions.jsonl",
            "some-questions",
            {"use": "audiomcq", "path": "/data/some questions.jsonl"},
        ),
    ],
)
def test_a_set_is_a_plug_in_and_a_path_or_a_file_of_questions(text, name, spec):
    assert data_set(text) == (name, spec)


def test_a_file_with_an_equals_sign_in_its_name_is_a_path(tmp_path):
    file = tmp_path / "lr=3.jsonl"
    file.touch()
    assert data_set(str(file)) == ("lr=3", {"use": "audiomcq", "path": str(file)})


def test_a_path_that_exists_is_one_though_it_has_an_equals_sign(tmp_path):
    (tmp_path / "a=b").mkdir()
    assert name_and_path(f"{tmp_path}/a=b") == (None, f"{tmp_path}/a=b")
    assert name_and_path(f"{tmp_path}/a=c") == (f"{tmp_path}/a", "c")
    assert name_and_path("clips") == (None, "clips")


@pytest.mark.parametrize("text", ["=x", "mmau=", "="])
def test_half_a_name_is_refused(text):
    with pytest.raises(ValueError, match=r"expected NAME=PATH, such as mmau=/data/MMAU, or a path$"):
        data_set(text)


def test_a_path_alone_is_refused_where_a_benchmark_is_named():
    with pytest.raises(ValueError, match=r"^mmau: expected NAME=PATH, such as mmau=/data/MMAU$"):
        data_set("mmau", or_path=False)


def test_a_set_exists_where_its_path_does_or_is_of_the_hub_or_where_it_has_none(tmp_path):
    for spec in (
        {"use": "mmau", "path": str(tmp_path)},
        {"use": "mmau", "path": "a/b"},
        {"use": "synthetic"},
    ):
        assert existing(spec) is spec
    with pytest.raises(ValueError, match=r"^mmau=/gone/x: /gone/x does not exist; .*; correct the path$"):
        existing({"use": "mmau", "path": "/gone/x"})


@pytest.mark.parametrize(
    ("path", "problem"),
    [("a" * 300, "file name too long"), ("a/" * 3000, "file name too long"), ("\0", "null")],
)
def test_a_path_that_no_file_can_have_is_told_with_what_to_do(path, problem):
    set_of_jsonl = data_set(f"jsonl={path}").spec
    with pytest.raises(ValueError, match=rf"^jsonl=.*: .*{problem}.*; correct the path$"):
        existing(set_of_jsonl)
    alone = data_set(path).spec  # named alone
    with pytest.raises(ValueError, match=rf"^audiomcq=.*: .*{problem}.*; correct the path$"):
        existing(alone)
