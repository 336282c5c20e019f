"""What a user's data set may give, and what of it is told."""

from __future__ import annotations

from dataclasses import replace
from itertools import repeat
from pathlib import Path

import numpy as np
import pytest

from rlaudio.config.plugins import bind
from rlaudio.data import given
from rlaudio.data.bad_rows import BadRow, listing_bad_rows, refuse_or_list
from rlaudio.data.given import given_dataset
from rlaudio.types import Check, Choice, Dataset, OpenText
from tests.factories import make_contributions, make_question

QUESTION = make_question(id="q")


@pytest.mark.parametrize(
    "targets", [(OpenText("a"),), (Check("Title"),), (Choice(("a", "b"), np.int64(1), "b"),)]
)
def test_questions_in_any_collection_are_a_data_set(targets):
    questions = tuple(replace(QUESTION, target=target) for target in targets)
    assert given_dataset(iter(questions), "data x").questions == questions
    whole = Dataset(questions, make_contributions(q="weak"))
    assert given_dataset(whole, "data x") is whole


@pytest.mark.parametrize(
    "listed",
    [replace(QUESTION, clips=[Path("a.wav")]), replace(QUESTION, target=Choice(["a", "b"], 0, "a"))],
)
@pytest.mark.parametrize("collect", [list, Dataset])
def test_lists_of_clips_and_of_options_are_taken_as_tuples(listed, collect):
    (question,) = given_dataset(collect((listed,)), "data x").questions
    assert question == replace(
        listed, clips=tuple(listed.clips), target=replace(listed.target, options=tuple(listed.choices))
    )


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "gave None; expected a Dataset, or a list of Question"),
        ("abc", "gave 'abc'; expected a Dataset"),
        ([], "gave no questions; expected at least one"),
        (Dataset(None), "gave a Dataset of None and {}; expected questions"),
        (Dataset((QUESTION,), {"q": 5}), "gave 5 for 'q'; expected a Contribution"),
        (
            Dataset((QUESTION,), make_contributions(q="maybe")),
            "gave Contribution.* expected a Contribution, weak",
        ),
        ([{"id": "q"}], "question 1: is {'id': 'q'}; expected a Question"),
    ],
)
def test_what_is_no_data_set_is_refused_with_its_name(value, said):
    with pytest.raises(ValueError, match=f"(?s)data x.*{said}"):
        given_dataset(value, "data x")


def test_a_data_set_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(given, "_MOST", 100)
    with pytest.raises(ValueError, match="more than 100 questions; does it end"):
        given_dataset(repeat(QUESTION), "data x")


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("id", 5, "a text"),
        ("clips", Path("a.wav"), "a tuple of Path"),
        ("clips", ("a.wav",), "a tuple of Path"),
        ("target", "a", "a Choice"),
        ("target", Choice(("a", "b"), 2, "b"), "a Choice"),
        ("target", Choice(("a", "b"), -1, "b"), "a Choice"),
        ("target", Choice("ab", 0, "a"), "a Choice"),
        ("groups", {"x": 5}, "a dictionary of texts"),
        ("cot", [1], "a dictionary of texts"),
        ("style", "shout", "one of answer_only, thinking, letters, or None"),
        ("text_answerable", "yes", "true, false or None"),
        ("extra", {1: 2}, "a dictionary with texts as keys"),
        ("place", 5, "a text"),
    ],
)
def test_a_field_of_another_type_makes_a_bad_row_and_the_others_stay(field, value, expected):
    wrong = replace(QUESTION, **{field: value})
    with pytest.raises(ValueError, match=rf"question 2: {field} is .*; expected {expected}"):
        given_dataset([QUESTION, wrong], "data x")
    with listing_bad_rows() as bad:
        assert given_dataset([QUESTION, wrong], "data x").questions == (QUESTION,)
    assert len(bad) == 1


def test_what_a_users_file_gives_is_looked_at(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def mine():\n    return [5]\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"data .*mine\.py, question 1: is 5; expected a Question"):
        bind("data", str(file))()


def test_a_data_set_whose_rows_are_all_bad_is_told_by_them():
    with listing_bad_rows() as rows:
        refuse_or_list([BadRow("malformed row", "no field 'wav'", "quiz.jsonl:1")], "quiz")
        assert given_dataset([], "data x").questions == ()
    assert [str(row) for row in rows] == ["quiz.jsonl:1: no field 'wav'"]
