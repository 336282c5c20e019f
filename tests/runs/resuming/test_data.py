"""A resumed run has the data that it began with."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from rlaudio.runs import digests
from rlaudio.runs.resuming import (
    check_data,
)
from rlaudio.types import Dataset
from tests.factories import make_contributions, make_question


@pytest.fixture
def questions(tmp_path):
    """Three questions with a file of audio each."""
    made = [make_question(id=f"q{n}", clip=tmp_path / "audio" / f"{n}.wav") for n in range(3)]
    (tmp_path / "audio").mkdir()
    for question in made:
        question.clips[0].write_bytes(b"audio")
    return made


def changed_data(folder, before, after) -> str:
    """What a resume with other data says."""
    check_data(folder, {"train": before, "held_out": before})
    check_data(folder, {"train": before, "held_out": before})  # the same data is no problem
    with pytest.raises(ValueError) as error:
        check_data(folder, {"train": after, "held_out": before})
    assert "held_out" not in str(error.value)
    return str(error.value)


def test_another_wording_is_refused_by_its_row_and_id(begun, questions):
    other = [*questions[:1], replace(questions[1], question="What now?"), *questions[2:]]
    said = changed_data(begun, questions, other)
    assert "train: the question of row 2 (id q1) is another, the first of 1" in said


def test_a_measured_label_that_changed_is_refused(begun, questions):
    other = Dataset(tuple(questions), make_contributions(q0="weak"))
    assert "the label of row 1 (id q0) is another" in changed_data(begun, questions, other)


def test_missing_and_new_rows_are_counted(begun, questions):
    assert "train: 3 rows at the beginning, 2 now; rows from 3 on are missing" in changed_data(
        begun, questions, questions[:2]
    )
    with pytest.raises(
        ValueError, match=r"3 rows at the beginning, 4 now; rows from row 4 \(id new\) on are new"
    ):
        check_data(begun, {"train": [*questions, replace(questions[0], id="new")], "held_out": questions})


def test_an_audio_file_of_another_size_is_refused(begun, questions):
    check_data(begun, {"train": questions})
    questions[2].clips[0].write_bytes(b"more audio")
    with pytest.raises(ValueError, match=r"train: the audio file of row 3 \(id q2\) is another"):
        check_data(begun, {"train": questions})


def rewritten_in_place(file: Path, content: bytes) -> None:
    """Other bytes under the same times of the last change, as far as a user can set them."""
    about = file.stat()
    assert len(content) == about.st_size
    file.write_bytes(content)
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))


def test_an_audio_file_of_the_same_size_and_other_content_is_refused(begun, questions):
    check_data(begun, {"train": questions})
    rewritten_in_place(questions[1].clips[0], b"Audio")
    with pytest.raises(ValueError, match=r"audio file of row 2 \(id q1\) is another, the first of 1; digest"):
        check_data(begun, {"train": questions})


def test_an_old_audio_file_is_not_read_again_until_it_is_touched(begun, questions, monkeypatch):
    monkeypatch.setattr(digests, "_FRESH_NS", 0)  # as if the files were older
    read: list[Path] = []
    digest = digests.file_digest
    monkeypatch.setattr(digests, "file_digest", lambda file: read.append(file) or digest(file))
    check_data(begun, {"train": questions})
    assert len(read) == 3
    check_data(begun, {"train": questions})
    assert len(read) == 3
    os.utime(questions[2].clips[0], ns=(0, 0))
    check_data(begun, {"train": questions})
    assert read[3:] == [questions[2].clips[0]]


def test_a_question_with_two_clips_is_compared_by_both(begun, questions):
    both = [replace(questions[0], clips=(*questions[0].clips, *questions[1].clips)), questions[2]]
    check_data(begun, {"train": both})
    rewritten_in_place(questions[1].clips[0], b"Audio")
    with pytest.raises(ValueError, match=r"row 1 \(id q0\) is another, the first of 1"):
        check_data(begun, {"train": both})


def test_audio_that_moved_to_another_folder_is_the_same_data(begun, questions, tmp_path):
    check_data(begun, {"train": questions})
    moved = tmp_path / "elsewhere"
    (tmp_path / "audio").rename(moved)
    check_data(begun, {"train": [replace(q, clips=(moved / q.clips[0].name,)) for q in questions]})
