"""MMAU: both versions told apart, test without answers, the odd rows of the real file, and the hub's file."""

from __future__ import annotations

import json

import pytest

from rlaudio.audio.reading import open_clip
from rlaudio.data.audit import audit, load_audited
from rlaudio.data.mmau import mmau
from rlaudio.data.mmau_versions import version_of
from rlaudio.types import Choice
from rlaudio.utils.cache_root import cache_root
from tests.data.trees import audio_bytes, write_audio, write_list, write_parquet

NEW, OLD, BOTH = (f"{start}-0000-0000-0000-000000000000" for start in ("002ebba8", "02256382", "3fe64f3d"))


def row(id: str = BOTH, **changes) -> dict:
    return {
        "id": id,
        "audio_id": f"./test-mini-audios/{id}.wav",
        "question": "Who speaks?",
        "choices": ["Man", "Woman", "Child", "Robot"],
        "answer": "Woman",
        "dataset": "AudioSet",
        "task": "sound",
        "split": "test-mini",
        "category": "Reasoning",
        "sub-category": "Acoustic Source Inference",
        "difficulty": "medium",
    } | changes


def test_a_row_is_read_from_the_published_folder_with_its_audio(tmp_path):
    write_list(tmp_path / "mmau-test-mini.json", row())
    clip = write_audio(tmp_path / "test-mini-audios" / f"{BOTH}.wav")
    (question,) = mmau(path=tmp_path)
    assert (question.id, question.clips, question.extra) == (BOTH, (clip,), row())
    assert question.target == Choice(("Man", "Woman", "Child", "Robot"), 1, "Woman")
    assert question.groups == {
        "task": "sound",
        "category": "Reasoning",
        "sub-category": "Acoustic Source Inference",
        "difficulty": "medium",
        "source": "AudioSet",
    }
    assert open_clip(question.clips[0]).seconds == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("ids", "version"),
    [
        ((NEW, BOTH), "v05.15.25"),
        ((BOTH, OLD), "before v05.15.25"),
        ((BOTH,), "unknown"),
        ((NEW, OLD), "unknown"),
    ],
)
def test_the_version_is_told_from_ids_that_only_one_has(tmp_path, ids, version):
    data = mmau(path=write_list(tmp_path / "mmau-test-mini.json", *map(row, ids)))
    assert data.benchmark.version == version == version_of(ids)


def test_a_version_can_be_stated_where_the_ids_do_not_tell_it_and_not_against_them(tmp_path):
    path = write_list(tmp_path / "mmau-test-mini.json", row())
    assert mmau(path=path, version="v05.15.25").benchmark.version == "v05.15.25"
    path = write_list(tmp_path / "mmau-test-mini.json", row(OLD))
    with pytest.raises(ValueError, match=r"version is v05\.15\.25, and its ids are those of before v05"):
        mmau(path=path, version="v05.15.25")


def test_the_scorer_and_its_key_come_with_the_questions(tmp_path):
    data = mmau(path=write_list(tmp_path / "mmau-test-mini.json", row()))
    assert (data.benchmark.name, data.benchmark.prediction_key) == ("mmau", "model_output")
    assert (
        data.benchmark.scorer(data[0], "the woman").right and not data.benchmark.scorer(data[0], "man").right
    )


def test_a_category_that_is_a_list_is_its_items(tmp_path):
    (question,) = mmau(path=write_list(tmp_path / "mmau-test-mini.json", row(category=["Reasoning"])))
    assert question.groups["category"] == "Reasoning"


def test_a_doubled_gold_option_is_its_first_place_and_the_row_can_be_evaluated(tmp_path):
    twice = row(choices=["Man", "Woman", "Child", "Woman"])
    write_audio(tmp_path / "test-mini-audios" / f"{BOTH}.wav")
    data = mmau(path=write_list(tmp_path / "mmau-test-mini.json", twice))
    assert data[0].answer_index == 1 and data[0].choices.count("Woman") == 2
    assert audit(data, for_training=False).usable
    assert [bad.kind for bad in audit(data, for_training=True).bad_rows] == ["duplicate choices"]


def test_outer_spaces_stay(tmp_path):
    (question,) = mmau(path=write_list(tmp_path / "m.json", row(choices=[" Man", "Woman "], answer="Woman ")))
    assert question.target == Choice((" Man", "Woman "), 1, "Woman ")


def test_the_answers_of_the_test_set_are_placeholders(tmp_path):
    hidden = row(split="test", audio_id="./test-audios/a.wav", answer="Man")
    write_list(tmp_path / "mmau-test.json", hidden)
    write_list(tmp_path / "mmau-test-mini.json", row())
    write_audio(tmp_path / "test-audios" / "a.wav")
    for path in (tmp_path, tmp_path / "mmau-test.json"):
        data = mmau(path=path, split="test")
        assert data[0].target == Choice(("Man", "Woman", "Child", "Robot"), None)
        assert audit(data, for_training=False).usable
    assert mmau(path=tmp_path)[0].answer == "Woman"


def test_the_other_split_is_not_taken_for_the_one_that_is_wanted(tmp_path):
    file = write_list(tmp_path / "mmau-test-mini.json", row())
    with pytest.raises(FileNotFoundError, match=r"no mmau-test\.json, .*\(here: mmau-test-mini\.json\)"):
        mmau(path=tmp_path, split="test")
    assert len(mmau(path=file, split="test")) == 1


def test_of_a_set_of_the_hub_the_only_split_is_read_whatever_its_name(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    commit = "0123456789" * 4
    write_parquet(cache_root() / "hub" / "owner" / "MMAU-test-mini" / commit / "test.parquet", row())
    assert mmau(path="owner/MMAU-test-mini", revision=commit)[0].answer == "Woman"


def test_the_parquet_of_the_hub_gives_the_same_question(tmp_path):
    other = {key: row()[key] for key in ("id", "dataset", "task", "category", "sub-category", "difficulty")}
    fields = {
        "context": {"bytes": audio_bytes(), "path": "a.wav"},
        "instruction": "Who speaks?",
        "choices": ["(A) Man", "(B) Woman", "(C) Child", "(D) Robot"],
        "answer": "(B) Woman",
        "other_attributes": json.dumps(other),
    }
    (question,) = mmau(path=write_parquet(tmp_path / "hub" / "test_mini.parquet", fields).parent)
    (same,) = mmau(path=write_list(tmp_path / "mmau-test-mini.json", row()))
    assert (question.id, question.question, question.target) == (same.id, same.question, same.target)
    assert question.groups == same.groups
    assert question.extra["choices"] == row()["choices"] and "context" not in question.extra
    assert open_clip(question.clips[0]).seconds == pytest.approx(0.1)


def test_options_that_only_look_lettered_stay(tmp_path):
    (question,) = mmau(path=write_list(tmp_path / "m.json", row(choices=["(B) x", "(A) y"], answer="(A) y")))
    assert question.target == Choice(("(B) x", "(A) y"), 1, "(A) y")


def test_bad_rows_are_listed_among_good_ones(tmp_path):
    rows = (row("a"), row("b", choices=[]), 7, row("c", audio_id="../x.wav"), row("d", answer="Dog"))
    for id in "abcd":
        write_audio(tmp_path / "test-mini-audios" / f"{id}.wav")
    path = write_list(tmp_path / "mmau-test-mini.json", *rows)
    data, audited = load_audited(lambda: mmau(path=path), for_training=False)
    assert [question.id for question in audited.without_bad_rows(data)] == ["a"]
    assert [(bad.kind, bad.place.rpartition(": ")[2]) for bad in audited.bad_rows] == [
        ("malformed row", "item 2"),
        ("malformed row", "item 3"),
        ("audio outside the root", "item 4"),
        ("answer not among the choices", "item 5"),
    ]
