"""Files of questions: written once, and named so that a recipe reads the same questions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rlaudio.config.plugins import bind
from rlaudio.data.converting import only_labelled, write_questions
from tests.full_disk import files_of_at_most
from tests.word_family import questions_on_disk


def read(written):
    root = {"audio_root": str(written.audio_root)} if written.audio_root else {}
    return bind("data", {"use": "jsonl", "path": str(written.path), **root})()


@pytest.mark.parametrize("place", ["audio", "elsewhere"])
def test_what_is_written_is_read_back_as_it_is_named(tmp_path, place):
    (tmp_path / "audio").mkdir()
    data = questions_on_disk(tmp_path / "audio", 3, labels={"q1": "weak"})
    written = write_questions(data, tmp_path / place / "new.jsonl")
    again = read(written)
    assert [(q.id, q.question, q.target, q.clips) for q in again] == [
        (q.id, q.question, q.target, q.clips) for q in data
    ]
    assert again.contributions["q1"].label == "weak"
    of_audio = None if place == "audio" else tmp_path / "audio"
    assert (written.question_count, written.audio_root) == (3, of_audio)


def test_a_file_that_is_there_is_not_replaced(tmp_path):
    (tmp_path / "new.jsonl").write_text("mine", encoding="utf-8")
    with pytest.raises(FileExistsError, match=r"new\.jsonl: is there already"):
        write_questions([], tmp_path / "new.jsonl")
    assert (tmp_path / "new.jsonl").read_text(encoding="utf-8") == "mine"


def test_a_full_disk_is_told_with_the_file_and_leaves_nothing(tmp_path):
    data = questions_on_disk(tmp_path, 3)
    before = sorted(tmp_path.iterdir())
    with files_of_at_most(100), pytest.raises(OSError, match=r"new\.jsonl: File too large; .* make room"):
        write_questions(data, tmp_path / "new.jsonl")
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_of_the_users_beside_the_new_one_stays(tmp_path):
    (tmp_path / "new.jsonl.tmp").write_text("mine", encoding="utf-8")
    write_questions(questions_on_disk(tmp_path, 1), tmp_path / "new.jsonl")
    assert (tmp_path / "new.jsonl.tmp").read_text(encoding="utf-8") == "mine"


def test_questions_with_one_id_are_refused_with_both_places(tmp_path):
    first, second = questions_on_disk(tmp_path, 2)
    twice = [replace(first, place="a:1"), replace(second, id=first.id, place="a:2")]
    with pytest.raises(ValueError, match=r"a:2: this id stands at a:1 and a:2; .* \(id 'q0'\)"):
        write_questions(twice, tmp_path / "new.jsonl")
    assert not (tmp_path / "new.jsonl").exists()


def test_a_subset_by_contribution_keeps_order_and_labels(tmp_path):
    data = questions_on_disk(tmp_path, 4, labels={"q3": "strong", "q1": "weak", "q0": "strong"})
    strong = only_labelled(data, "strong")
    assert [question.id for question in strong] == ["q0", "q3"]
    assert {name: each.label for name, each in strong.contributions.items()} == {
        "q3": "strong",
        "q0": "strong",
    }
    assert not only_labelled(questions_on_disk(tmp_path, 2), "strong")
