"""Held-out sets: nothing in common with what is left, as large as asked, the same for a seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlaudio.data.splitting import split, without
from rlaudio.types import Dataset, Question
from tests.factories import make_contributions, make_question


def questions(clips: list[list[int]], sources: list[int] | None = None) -> list[Question]:
    """One question about each list of clips."""
    return [
        replace(
            make_question(id=f"q{n}", groups={"source": f"s{sources[n]}"} if sources else {}),
            clips=tuple(Path(f"{clip}.wav") for clip in of_question),
        )
        for n, of_question in enumerate(clips)
    ]


def clips_of(data: Dataset) -> set[Path]:
    return {clip for question in data for clip in question.clips}


@given(
    clips=st.lists(st.lists(st.integers(0, 30), max_size=3), min_size=2, max_size=40),
    share=st.floats(0.05, 0.95),
    seed=st.integers(0, 9),
)
def test_no_clip_is_on_both_sides_and_every_question_on_one(clips, share, seed):
    asked = questions(clips)
    try:
        train, held_out = split(asked, share=share, seed=seed)
    except ValueError as error:
        assert "have one clip in common" in str(error)
        return
    assert clips_of(train).isdisjoint(clips_of(held_out))
    assert train and held_out
    assert sorted([*train, *held_out], key=asked.index) == asked


def test_as_many_questions_are_held_out_as_asked_where_parts_fit():
    train, held_out = split(questions([[n] for n in range(100)]), share=0.07)
    assert (len(train), len(held_out)) == (93, 7)


def test_a_seed_is_a_split():
    asked = questions([[n] for n in range(50)])
    again = [[q.id for q in split(asked, share=0.2, seed=seed)[1]] for seed in (1, 1, 2)]
    assert again[0] == again[1] != again[2]


def test_whole_sources_are_held_out():
    asked = questions([[n] for n in range(10)], sources=[0, 0, 0, 0, 0, 0, 1, 1, 1, 2])
    train, held_out = split(asked, by="source", share=0.3, seed=0)
    sources = [{q.groups["source"] for q in part} for part in (train, held_out)]
    assert sources[0].isdisjoint(sources[1])
    assert len(held_out) in (1, 3)


def test_sources_that_share_a_clip_stay_together():
    asked = questions([[0], [0], [1]], sources=[0, 1, 2])
    train, held_out = split(asked, by="source", share=0.5)
    assert sorted([len(train), len(held_out)]) == [1, 2]


def test_the_smallest_part_is_held_out_where_none_fits():
    asked = questions([[0], [0], [0], [1], [1]])
    assert [q.id for q in split(asked, share=0.1)[1]] == ["q3", "q4"]


@pytest.mark.parametrize(
    ("asked", "by", "message"),
    [
        (questions([[0], [0]]), "clip", "all 2 questions have one clip in common"),
        (questions([[0], [1]], sources=[0, 0]), "source", "one source in common.*try by clip"),
        (questions([[0], [1]]), "source", "question q0 names no source"),
    ],
)
def test_what_cannot_be_divided_is_refused(asked, by, message):
    with pytest.raises(ValueError, match=message):
        split(asked, by=by, share=0.5)


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_a_share_is_between_0_and_1(share):
    with pytest.raises(ValueError, match="expected a number between 0 and 1"):
        split(questions([[0], [1]]), share=share)


def test_contributions_go_with_their_questions():
    data = Dataset(tuple(questions([[0], [1]])), make_contributions(q0="weak", q1="strong"))
    assert list(without(data, {0}).contributions) == ["q1"]
