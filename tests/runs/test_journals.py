"""Journals of voters' answers: what was added before a kill is read back after it."""

import json
import os
from pathlib import Path

import pytest

from rlaudio.runs.journals import Journal, journal_path


def test_a_journal_forgets_only_the_line_that_was_torn(tmp_path):
    path = tmp_path / "a.journal"
    with Journal(path) as journal:
        journal.add({"1": "a dog", "2": "ein Hünd\u2028"})
    path.write_bytes(path.read_bytes() + b'{"prompt": "3", "te')
    with Journal(path) as journal:
        assert dict(journal) == {"1": "a dog", "2": "ein Hünd\u2028"}
        journal.add({"4": "a cat"})
    with Journal(path) as journal:
        assert list(journal) == ["1", "2", "4"]


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("elsewhere"), Path.mkdir])
@pytest.mark.parametrize("part", [0, 1])  # that is asked; of another part a link is read
def test_a_journal_that_is_no_ordinary_file_is_refused_and_a_link_not_written_through(tmp_path, part, make):
    (tmp_path / "elsewhere").write_text("mine")
    name = "a.journal.1" if part else "a.journal"
    make(tmp_path / name)
    with pytest.raises(ValueError, match=f"{name}: expected an ordinary file"):
        Journal(tmp_path / "a.journal", part=part)
    assert (tmp_path / "elsewhere").read_text() == "mine"


def test_parts_of_a_journal_are_read_together_and_written_apart(tmp_path):
    path = tmp_path / "a.journal"
    for part in (0, 3):
        with Journal(path, part=part) as journal:
            journal.add({f"asked by {part}": "a dog"})
    (tmp_path / "a.journal.3").open("ab").write(b'{"prompt": "torn')  # as while its process writes
    with Journal(path) as journal:
        assert sorted(journal) == ["asked by 0", "asked by 3"]
    assert (tmp_path / "a.journal.3").read_bytes().endswith(b"torn")
    assert len(path.read_text().splitlines()) == 1
    with Journal(path, part=3) as journal:
        journal.add({"more": "a cat"})
    with Journal(path) as journal:
        assert sorted(journal) == ["asked by 0", "asked by 3", "more"]


def test_no_part_of_a_journal_is_read_without_a_limit_or_cut_while_another_is_broken(tmp_path, monkeypatch):
    path, torn = tmp_path / "a.journal", b'{"prompt": "1", "text": "a"}\n{"prompt": "torn'
    path.write_bytes(torn)
    (tmp_path / "a.journal.1").write_text("nonsense\n")
    with pytest.raises(ValueError, match=r"a\.journal\.1:1: not an answer of a voter"):
        Journal(path)
    assert path.read_bytes() == torn
    (tmp_path / "a.journal.1").unlink()
    monkeypatch.delattr(Path, "read_bytes")
    with Journal(path) as journal:
        assert dict(journal) == {"1": "a"}
    assert path.read_text() == '{"prompt": "1", "text": "a"}\n'


def test_a_journal_with_a_broken_line_in_the_middle_names_it(tmp_path):
    path = tmp_path / "a.journal"
    path.write_text('{"prompt": "1", "text": "a"}\nnonsense\n')
    with pytest.raises(ValueError, match=r"a\.journal:2: not an answer of a voter"):
        Journal(path)


@pytest.mark.parametrize(
    ("kind", "value"), [("text", 5), ("text", None), ("logprobs", "x"), ("logprobs", [None])]
)
def test_an_answer_of_another_type_is_named(tmp_path, kind, value):
    (tmp_path / "a.journal").write_text(json.dumps({"prompt": "1", kind: value}) + "\n")
    with pytest.raises(ValueError, match=r"a\.journal:1: not an answer of a voter \(found .* as "):
        Journal(tmp_path / "a.journal", kind)


def test_a_journal_that_is_being_written_is_refused_and_stays_as_it_is(tmp_path):
    path = tmp_path / "a.journal"
    with Journal(path) as journal:
        journal.add({"1": "a dog"})
        with path.open("ab") as file:
            file.write(b'{"prompt": "2", "te')  # as amid a write
        with pytest.raises(BlockingIOError, match=r"a\.journal: another process is asking this voter; wait"):
            Journal(path)
        assert path.read_bytes().endswith(b'"te')
    with Journal(path) as journal:
        assert list(journal) == ["1"]


def test_voters_whose_names_are_paths_have_plain_files(tmp_path):
    path = journal_path(tmp_path, "Qwen/Qwen2-Audio", "0" * 32)
    assert path.parent == tmp_path
    assert path.name == "labels.Qwen_Qwen2-Audio.000000000000.journal"
