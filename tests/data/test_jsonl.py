"""The generic format: what is written is read back, field by field, and what is wrong is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlaudio.audio.reading import open_clip
from rlaudio.data.jsonl import jsonl, write_jsonl
from rlaudio.scorers.instructions import RULES
from rlaudio.types import Check, Choice, Clip, Contribution, Dataset, OpenText, Question
from tests.data.trees import write_lines

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
json_values = st.none() | st.booleans() | st.integers(-9, 9) | texts | st.lists(st.integers(0, 9))
choices = st.lists(texts | st.just(""), min_size=1, max_size=4).map(tuple)
targets = st.one_of(
    choices.map(lambda options: Choice(options, None)),
    choices.map(lambda options: Choice(options, len(options) - 1, options[-1])),
    choices.map(lambda options: Choice(options, None, "none of them, surely")),
    st.sampled_from([Choice((), None), Choice((), None, "x")]),
    texts.map(OpenText),
    st.just(OpenText()),
    st.builds(Check, st.sampled_from(sorted(RULES)), st.dictionaries(texts, json_values, max_size=2)),
)


@given(
    question=st.builds(
        Question,
        id=texts,
        question=texts,
        clips=st.lists(st.sampled_from(["a.wav", "b/c.mp3"]), max_size=3).map(tuple),
        target=targets,
        groups=st.dictionaries(texts, texts, max_size=3),
        text_answerable=st.none() | st.booleans(),
        cot=st.dictionaries(texts, texts, max_size=2),
        style=st.sampled_from([None, "answer_only", "thinking", "letters"]),
        extra=st.dictionaries(texts, json_values, max_size=3),
    ),
    stated=st.none()
    | st.builds(
        Contribution,
        question_id=st.just(""),
        label=st.sampled_from(["weak", "strong"]),
        score=st.none() | st.floats(0, 1),
        interval=st.none() | st.just((0.25, 0.5)),
        method=texts,
        votes=st.dictionaries(texts, json_values, max_size=2),
    ),
)
def test_what_is_written_is_read_back(tmp_path_factory, question, stated):
    folder = tmp_path_factory.mktemp("data", numbered=True)
    question = replace(question, clips=tuple(folder / name for name in question.clips))
    known = {question.id: replace(stated, question_id=question.id)} if stated else {}
    write_jsonl(Dataset((question,), known), folder / "data.jsonl")
    data = jsonl(path=folder)
    assert list(data) == [question] and data.contributions == known


def test_a_row_may_be_short(tmp_path):
    row = {
        "id": 1,
        "question": "Q?",
        "audio_path": "a.wav",
        "choices": ["x", "y"],
        "answer": "y",
        "mood": "sad",
    }
    (question,) = jsonl(path=write_lines(tmp_path / "data.jsonl", row))
    assert question == Question(
        "1", "Q?", (tmp_path / "a.wav",), Choice(("x", "y"), 1, "y"), extra={"mood": "sad"}
    )


def test_a_clip_that_is_stated_twice_is_one(tmp_path):
    row = {"id": "1", "question": "Q?", "audio_path": "a.wav", "clips": ["a.wav"], "answer": "y"}
    (question,) = jsonl(path=write_lines(tmp_path / "data.jsonl", row))
    assert question.clips == (tmp_path / "a.wav",) and question.extra == {}


def test_a_choice_without_options_keeps_its_answer(tmp_path):
    question = Question("1", "Q?", (), Choice((), None, "x"))
    write_jsonl([question], tmp_path / "data.jsonl")
    assert json.loads((tmp_path / "data.jsonl").read_text())["choices"] == []
    assert jsonl(path=tmp_path)[0].target == Choice((), None, "x")


@pytest.mark.parametrize("name", ["self", "names", "groups"])
def test_a_group_may_have_any_name(tmp_path, name):
    row = {"id": "1", "question": "Q?", "choices": ["x", "y"], "groups": {name: "x"}}
    assert jsonl(path=write_lines(tmp_path / "data.jsonl", row))[0].groups == {name: "x"}


def test_gold_says_which_of_equal_options_is_right(tmp_path):
    question = Question("1", "Q?", (), Choice(("x", "y", "x"), 2, "x"))
    write_jsonl([question], tmp_path / "data.jsonl")
    assert json.loads((tmp_path / "data.jsonl").read_text())["gold"] == 2
    assert list(jsonl(path=tmp_path)) == [question]


def test_samples_are_written_beside_the_file_unchanged(tmp_path):
    samples = np.linspace(-1, 1, 1600, dtype=np.float32)
    write_jsonl([Question("1", "Q?", (Clip(samples, "d1g3st"),), OpenText("x"))], tmp_path / "data.jsonl")
    (question,) = jsonl(path=tmp_path)
    assert question.clips == (tmp_path / "clips" / "d1g3st.wav",)
    assert np.array_equal(open_clip(question.clips[0]).samples, samples)


def test_audio_elsewhere_is_written_with_its_whole_path(tmp_path):
    write_jsonl([Question("1", "Q?", (Path("/elsewhere/a.wav"),), OpenText("x"))], tmp_path / "data.jsonl")
    with pytest.raises(ValueError, match="set outside_root to true"):
        jsonl(path=tmp_path)
    assert jsonl(path=tmp_path, outside_root=True)[0].clips == (Path("/elsewhere/a.wav"),)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"style": "loud"},
            "\"style\" is 'loud'; expected one of answer_only, thinking, letters, or nothing",
        ),
        ({"gold": 2}, '"gold" is 2; expected the position of a choice, 0 to 1'),
        ({"gold": 0}, "\"gold\" is 0, choice 'x', and \"answer\" is 'y'; correct one"),
        ({"check": {"arguments": {}}, "choices": None}, '"check" is '),
        ({"groups": {"a": 1}}, '"groups" is '),
        ({"groups": {"category": ["x"]}}, '"groups" is '),
        ({"clips": [1.5, None]}, '"clips" is '),
        ({"contribution": {"label": "loud"}}, 'expected "weak", "strong" or nothing'),
        ({"contribution": {"label": "weak", "interval": [1]}}, "expected an interval of two numbers"),
        ({"contribution": {"label": "weak", "interval": [None, 1]}}, "expected an interval of two numbers"),
        ({"contribution": {"label": "weak", "interval": ["x", 1]}}, "expected an interval of two numbers"),
        ({"contribution": {"label": "weak", "interval": [True, 1]}}, "expected an interval of two numbers"),
        ({"contribution": {"label": "weak", "score": 17}}, '"score" is 17.0; expected a share of right'),
        ({"contribution": {"label": "weak", "score": -1.1}}, '"score" is -1.1; expected a share of right'),
        ({"contribution": {"label": "weak", "gain": 2}}, '"gain" is 2.0; expected a share of right'),
        (
            {"contribution": {"label": "weak", "scor": 0.5}},
            "\"contribution\" holds the unknown key 'scor'; expected label, score, interval, ",
        ),
        ({"contribution": {"lable": "weak"}}, "holds the unknown key 'lable'; expected label, "),
        (
            {"check": {"rule": "Titel"}, "choices": None},
            "\"check.rule\" is 'Titel'; expected a rule of MMAU-Pro: Title",
        ),
        ({"contribution": {"score": 0.5}}, '"contribution" has no "label"'),
        ({"check": {"rule": "x"}, "choices": None}, "expected a rule of MMAU-Pro: Include Keywords, "),
        ({"check": {"rule": "Title", "n": 1}, "choices": None}, "holds the unknown key 'n'; expected rule"),
        ({"audio_path": "b.wav"}, """"clips" (['a.wav']) and "audio_path" ('b.wav') state different clips"""),
        ({"clips": ["a.wav", "b.wav"], "audio_path": "a.wav"}, "state different clips; expected one of them"),
        ({"clips": None, "audio": "a.wav", "audio_path": "b.wav"}, "put all clips into 'clips'"),
        ({"text_answerable": "yes"}, "\"text_answerable\" is 'yes'; expected true or false"),
    ],
)
def test_a_field_that_is_wrong_is_named(tmp_path, changes, said):
    row = {"id": "1", "question": "Q?", "clips": ["a.wav"], "choices": ["x", "y"], "answer": "y"} | changes
    with pytest.raises(ValueError) as error:
        jsonl(path=write_lines(tmp_path / "data.jsonl", row))
    assert said in str(error.value) and "data.jsonl:1: " in str(error.value)


@pytest.mark.parametrize("field", ["clip", "wav", "audio_file", "path"])
def test_a_clip_under_another_name_is_refused_and_not_dropped(tmp_path, field):
    row = {"id": "1", "question": "What?", "choices": ["a", "b"], "answer": "a", field: "a.wav"}
    write_lines(tmp_path / "data.jsonl", row)
    with pytest.raises(
        ValueError, match=rf'data.jsonl:1: "{field}" is .a.wav., and no clip is stated; expected'
    ):
        jsonl(path=tmp_path / "data.jsonl")
    write_lines(tmp_path / "data.jsonl", {**row, "clips": []})
    [question] = jsonl(path=tmp_path / "data.jsonl")
    assert question.clips == () and question.extra == {field: "a.wav"}


@pytest.mark.parametrize("clips", [{"clips": None}, {"audio_path": None}, {"clips": [], "audio": None}])
def test_null_says_that_a_question_is_about_no_clip(tmp_path, clips):
    row = {"id": "1", "question": "What?", "answer": "a", "source": "a.wav", **clips}
    [question] = jsonl(path=write_lines(tmp_path / "data.jsonl", row))
    assert question.clips == () and question.extra == {"source": "a.wav"}


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "a.wav"},
        {"question": "What is in a.wav"},
        {"answer": "a.wav", "choices": ["a.wav", "b.wav"]},
        {"answer": "a.wav", "style": "thinking"},
        {"answer": "a", "groups": {"source": "a.wav"}},
        {"answer": "a", "extra": {"source": "a.wav"}},
    ],
)
def test_a_known_field_that_ends_like_an_audio_file_is_no_clip(tmp_path, changes):
    row = {"id": "1", "question": "What?", **changes}
    [question] = jsonl(path=write_lines(tmp_path / "data.jsonl", row))
    assert question.clips == ()
