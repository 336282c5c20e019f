"""Silence and borrowed clips."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlaudio.audio.controls import mismatch, silence
from tests.factories import make_question


def questions_of(clips_and_answers):
    return [
        make_question(id=str(i), clip=f"{clip}.wav", choices=("a", "b", "c", "d"), answer=answer)
        for i, (clip, answer) in enumerate(clips_and_answers)
    ]


def test_silence_is_zeros_of_the_given_length():
    clip = silence(30.0)
    assert clip.seconds == 30.0
    assert not clip.samples.any()


def test_silence_of_no_length_is_an_error():
    with pytest.raises(ValueError, match="expected a positive number of seconds"):
        silence(0.0)


@given(answers=st.lists(st.sampled_from("abcd"), min_size=2, max_size=40), seed=st.integers(0, 2**32 - 1))
def test_every_clip_is_lent_once_and_never_to_its_owner(answers, seed):
    lenders = mismatch(questions_of(enumerate(answers)), seed)
    assert sorted(lenders) == list(range(len(answers)))
    assert all(asker != lender for asker, lender in enumerate(lenders))


@given(repeats=st.integers(1, 10), seed=st.integers(0, 2**32 - 1))
def test_the_lender_has_another_answer_wherever_there_are_enough(repeats, seed):
    answers = "abcd" * repeats
    lenders = mismatch(questions_of(enumerate(answers)), seed)
    assert all(answers[asker] != answers[lender] for asker, lender in enumerate(lenders))


def test_questions_about_the_same_clip_do_not_lend_to_each_other():
    questions = questions_of([(0, "a"), (0, "b"), (1, "a"), (1, "b"), (2, "c"), (2, "d")])
    for seed in range(50):
        lenders = mismatch(questions, seed)
        assert all(
            questions[asker].clips[0] != questions[lender].clips[0] for asker, lender in enumerate(lenders)
        )


def test_one_answer_for_nearly_all_still_gives_every_question_another_clip():
    questions = questions_of(enumerate("a" * 500 + "b"))
    lenders = mismatch(questions, seed=0)
    assert all(asker != lender for asker, lender in enumerate(lenders))
    assert questions[lenders[500]].answer == "a"


def test_the_same_seed_draws_the_same_lenders():
    questions = questions_of(enumerate("abcd" * 10))
    assert mismatch(questions, 1) == mismatch(questions, 1) != mismatch(questions, 2)


def test_a_clip_that_most_questions_share_cannot_be_mismatched():
    with pytest.raises(ValueError, match="2 of 3 questions share one clip"):
        mismatch(questions_of([(0, "a"), (0, "b"), (1, "c")]), seed=0)


def test_no_questions_need_no_lenders():
    assert mismatch([], seed=0) == []


def test_the_lender_indices_are_plain_integers():
    assert all(type(index) is int for index in mismatch(questions_of(enumerate("abcd")), 0))
