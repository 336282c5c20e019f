"""MMAU-Pro: closed, open and instructions; no clip, one or several; columns that may be there or not."""

from __future__ import annotations

import logging

import pytest

from rlaudio.data.audit import audit
from rlaudio.data.mmau_pro import mmau_pro
from rlaudio.types import Check, Choice, OpenText
from tests.data.trees import audio_bytes, write_audio, write_parquet

CLOSED = {
    "id": "c1",
    "audio_path": ["data/a.wav"],
    "question": "What is heard?",
    "choices": ["rain", "wind"],
    "answer": "wind",
    "category": "sound",
    "sub-cat": "weather",
    "length_type": "short",
    "perceptual_skills": ["timbre", "pitch"],
    "task_identifier": None,
    "kwargs": None,
}
OPEN = CLOSED | {"id": "o1", "audio_path": ["data/a.wav", "data/b.wav"], "category": "open", "choices": []}
OBEY = CLOSED | {
    "id": "i1",
    "audio_path": None,
    "category": "instruction following",
    "choices": None,
    "answer": None,
    "task_identifier": "Number Words (at least)",
    "kwargs": {"N": 3, "keyword": None},
}


def test_every_kind_of_question_is_read(tmp_path):
    clips = [write_audio(tmp_path / "data" / name) for name in ("a.wav", "b.wav")]
    write_parquet(tmp_path / "test.parquet", CLOSED, OPEN, OBEY)
    data = mmau_pro(path=tmp_path)
    assert [question.target for question in data] == [
        Choice(("rain", "wind"), 1, "wind"),
        OpenText("wind"),
        Check("Number Words (at least)", {"N": 3}),
    ]
    assert [list(question.clips) for question in data] == [clips[:1], clips, []]
    assert data[0].groups == {"category": "sound", "sub-cat": "weather", "length_type": "short"}
    assert data[0].extra["perceptual_skills"] == ["timbre", "pitch"]
    assert audit(data, for_training=False).usable


def test_the_rule_goes_by_the_kind_and_says_what_it_needs(tmp_path):
    data = mmau_pro(path=write_parquet(tmp_path / "test.parquet", CLOSED, OPEN, OBEY))
    scorer = data.benchmark.scorer
    assert scorer(data[2], "one two three").right and not scorer(data[2], "one two").right
    assert ["NV-Embed-v2" in scorer(data[0], "wind").reason, "judge" in scorer(data[1], "wind").reason] == [
        True
    ] * 2


def test_an_embedder_is_bound_to_the_rule(tmp_path):
    path = write_parquet(
        tmp_path / "test.parquet", CLOSED | {"choices": ["a", "a longer text"], "answer": "a"}
    )
    data = mmau_pro(path=path, embedder=lambda texts: [[len(text), 1.0] for text in texts])
    assert data.benchmark.scorer(data[0], "b").right


def test_arguments_may_be_a_text_of_json(tmp_path):
    data = mmau_pro(path=write_parquet(tmp_path / "test.parquet", OBEY | {"kwargs": '{"N": 3, "x": null}'}))
    assert data[0].target == Check("Number Words (at least)", {"N": 3})


def test_what_was_found_is_said_and_rows_without_an_id_are_numbered(tmp_path, caplog):
    rows = [{k: v for k, v in CLOSED.items() if k not in ("id", "kwargs", "sub-cat")} | {"x": 1}] * 2
    with caplog.at_level(logging.INFO):
        data = mmau_pro(path=write_parquet(tmp_path / "test.parquet", *rows))
    assert [question.id for question in data] == ["row_1", "row_2"]
    assert "id from the row's number, audio from audio_path; columns not there: " in caplog.text
    assert "task_identifier, kwargs, sub-cat; kept as they are: perceptual_skills, x" in caplog.text


def test_rows_are_numbered_over_all_files(tmp_path):
    row = {name: value for name, value in CLOSED.items() if name != "id"}
    for shard, questions in enumerate((("Q1", "Q2"), ("Q3",))):
        rows = [row | {"question": question} for question in questions]
        write_parquet(tmp_path / "data" / f"test-0000{shard}-of-00002.parquet", *rows)
    data = mmau_pro(path=tmp_path)
    assert {question.id: question.question for question in data} == {
        "row_1": "Q1",
        "row_2": "Q2",
        "row_3": "Q3",
    }


def test_several_clips_inside_a_row_are_files_and_not_kept_in_memory(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    clips = [{"bytes": audio_bytes(pitch_hz=pitch), "path": "a.wav"} for pitch in (440, 880)]
    path = write_parquet(tmp_path / "test.parquet", CLOSED | {"audio_path": clips})
    (question,) = mmau_pro(path=path)
    assert [clip.read_bytes() for clip in question.clips] == [clip["bytes"] for clip in clips]
    assert "audio_path" not in question.extra and question.extra["perceptual_skills"] == ["timbre", "pitch"]


def test_a_damaged_file_is_an_error_that_names_it(tmp_path):
    path = write_parquet(tmp_path / "test.parquet", CLOSED)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match=r"test\.parquet: cannot be read as Parquet"):
        mmau_pro(path=path)
