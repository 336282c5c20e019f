"""DCASE 2025, a file a question."""

from __future__ import annotations

import json

import pytest

from rlaudio.data.bad_rows import listing_bad_rows
from rlaudio.data.dcase2025 import dcase2025
from rlaudio.types import Choice
from tests.data.trees import write_audio

ROW_2025 = {
    "id": "d1",
    "audio_url": "../../local_audio_path/dev/d1.wav",
    "question": "How many?",
    "choice": ["A. 1", "B. 2"],
    "answer": "B. 2",
    "question_type": "count",
}


def write_2025(folder, split, id="d1", **changes):
    file = folder / "part1" / split / f"{id}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(ROW_2025 | {"id": id} | changes, indent=1))
    return file


@pytest.mark.parametrize("place", ["local_audio_path/dev/d1.wav", "dev/d1.wav", "d1.wav"])
def test_a_file_a_question_is_read_and_its_audio_found_below_the_root(tmp_path, place):
    write_2025(tmp_path / "json", "dev")
    clip = write_audio(tmp_path / "audio" / place)
    data = dcase2025(path=tmp_path / "json", audio_root=tmp_path / "audio")
    assert (data[0].groups, data[0].clips) == ({"category": "count", "split": "dev"}, (clip,))


@pytest.mark.parametrize(
    ("options", "answer", "target"),
    [
        (["A. bark", "B. meow"], "B. meow", Choice(("bark", "meow"), 1, "meow")),
        (["A. bark", "B. bark"], "B. bark", Choice(("bark", "bark"), 1, "bark")),
        (["A. bark", "B. meow"], "meow", Choice(("bark", "meow"), 1, "meow")),
        (["A. bark", "B. meow"], "A. meow", Choice(("bark", "meow"), None, "A. meow")),
        (["A. bark", "C. meow"], "C. meow", Choice(("A. bark", "C. meow"), 1, "C. meow")),
        (["A. bark", "B. meow"], None, Choice(("bark", "meow"), None)),
    ],
)
def test_letters_of_all_options_are_taken_off_and_kept_in_extra(tmp_path, options, answer, target):
    write_2025(tmp_path, "dev", choice=options, answer=answer)
    (question,) = dcase2025(path=tmp_path)
    assert (question.target, question.style) == (target, None)
    assert (question.extra["choice"], question.extra["answer"]) == (options, answer)


@pytest.mark.parametrize("content", ['{"id": ', ""])
def test_a_damaged_file_is_the_bad_row_of_its_question(tmp_path, content):
    write_2025(tmp_path, "dev")
    write_2025(tmp_path, "dev", id="d2").write_text(content)
    with pytest.raises(ValueError, match=r"1 bad row.*\n.*d2\.json:1: not JSON .*; fetch it again"):
        dcase2025(path=tmp_path)
    with listing_bad_rows() as bad:
        assert [question.id for question in dcase2025(path=tmp_path)] == ["d1"]
    assert len(bad) == 1


def test_hidden_files_are_no_questions_and_a_folder_may_be_called_like_a_file(tmp_path):
    write_2025(tmp_path / "all.json.d", "dev")
    write_2025(tmp_path / "all.json.d", "dev", id="._d1")
    (question,) = dcase2025(path=tmp_path)
    assert question.groups["split"] == "dev"


def test_an_answer_is_read_with_and_without_its_letter(tmp_path):
    write_2025(tmp_path, "dev", choice=["A. bark", "B. meow"], answer="B. meow")
    data = dcase2025(path=tmp_path)
    said = ("meow", "B. meow", "(B) meow", "bark", "A. bark")
    assert [data.benchmark.scorer(data[0], text).right for text in said] == [True] * 3 + [False] * 2


def test_a_split_is_a_folder(tmp_path):
    for split, id in (("train", "t1"), ("dev", "d1"), ("dev", "d2")):
        write_2025(tmp_path, split, id)
    assert [question.id for question in dcase2025(path=tmp_path, split="dev")] == ["d1", "d2"]
    assert len(dcase2025(path=tmp_path)) == 3
    with pytest.raises(FileNotFoundError, match=r"no \.json files below folders named eval"):
        dcase2025(path=tmp_path, split="eval")


def test_a_single_file_is_read_whatever_the_split_is(tmp_path):
    file = write_2025(tmp_path, "dev")
    assert [question.id for question in dcase2025(path=file, split="eval")] == ["d1"]


def test_a_name_that_is_too_long_is_a_bad_row(tmp_path):
    write_2025(tmp_path, "dev", audio_url="../../local_audio_path/dev/" + "x" * 300)
    with pytest.raises(ValueError, match=r'1 bad row; .*\n.*"audio_url" is .*names of at most 255 bytes'):
        dcase2025(path=tmp_path)


def test_dots_before_the_published_path_are_dropped_and_others_do_not_lead_out(tmp_path):
    write_2025(tmp_path, "dev", audio_url="../../local_audio_path/dev/../../../../x.wav")
    with pytest.raises(ValueError, match="leads to"):
        dcase2025(path=tmp_path)


def test_damaged_files_are_listed_among_good_ones(tmp_path):
    write_2025(tmp_path, "dev")
    write_2025(tmp_path, "dev", "d2").write_text('{"id": NaN}')
    with pytest.raises(ValueError, match=r'1 bad row; .*\n.*d2\.json: "id" is NaN'):
        dcase2025(path=tmp_path)
