"""Texts that stay in their file."""

import json

import pytest

from rlaudio.data.stored_texts import StoredTexts


@pytest.fixture
def file(tmp_path):
    rows = [{"id": 1, "cot": "first"}, {"id": 2, "cot": "second", "more": "ü"}]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return tmp_path / "q.jsonl"


def of_the_second_row(file):
    offset = file.read_bytes().index(b"\n") + 1
    return StoredTexts(file, offset, "2", {"plain": "cot", "other": "more"}, str.upper)


def test_texts_are_read_from_their_line_when_they_are_asked_for(file):
    texts = of_the_second_row(file)
    assert dict(texts) == {"plain": "SECOND", "other": "Ü"} and len(texts) == 2
    with pytest.raises(KeyError):
        texts["gone"]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\n" + text,
        lambda text: text.replace('"id": 2', '"id": 3'),
        lambda text: text.replace('"cot": "second"', '"c": 1'),
        lambda text: "",
    ],
)
def test_a_file_that_changed_is_an_error_and_never_another_rows_text(file, change):
    texts = of_the_second_row(file)
    file.write_text(change(file.read_text()))
    with pytest.raises(ValueError, match=r"question 2 no longer stands at byte \d+; the file has changed"):
        texts["plain"]
