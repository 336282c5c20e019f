"""The order in which a stage draws, and stages that are refused."""

from dataclasses import replace
from itertools import repeat

import numpy as np
import pytest

from rlaudio.curricula.stage import Stage, check_given, check_stages, stages_of, with_contribution
from rlaudio.curricula.weak_to_strong import weak_to_strong
from tests.curricula.test_curricula import questions, rng, stated
from tests.factories import make_question


def stages_on(*parts, shared=()):
    """A stage of RL on each slice of the questions; those with the numbers in `shared` say so."""
    asked = questions()
    return [Stage("rl", tuple(asked[part]), steps=1, shared=n in shared) for n, part in enumerate(parts)]


def test_a_label_that_is_none_is_refused():
    with pytest.raises(ValueError, match="'hard' is no audio-contribution label; expected weak or strong"):
        with_contribution(questions(), stated(), "hard")


def test_stages_that_share_questions_are_refused_with_both_and_the_curriculum():
    said = r"mine: stage 1 \(rl\) and stage 3 \(rl\) have 2 questions in common, such as q1.*shared=True"
    with pytest.raises(ValueError, match=said):
        check_stages(stages_on(slice(0, 3), slice(3, 5), slice(1, 3), shared={2}), "mine")


def test_stages_that_state_it_share_questions_with_each_other():
    check_stages(stages_on(slice(0, 3), slice(0, 16), slice(0, 3), shared={0, 1, 2}), "mine")


def test_an_empty_stage_is_refused():
    with pytest.raises(ValueError, match=r"curriculum weak_to_strong: stage 2 \(rl\) has no questions"):
        check_stages(weak_to_strong(questions(strong=0), stated(strong=0), rng()), "weak_to_strong")


@pytest.mark.parametrize("given", [None, "rl", ["rl"], 3, iter([None])])
def test_what_is_no_list_of_stages_is_refused(given):
    with pytest.raises(ValueError, match=r"curriculum mine gave .*; expected a list of Stage"):
        stages_of(given, "mine")


def test_a_curriculum_may_yield_its_stages():
    stage = Stage("rl", tuple(questions()), steps=np.int64(1))
    assert stages_of((each for each in [stage]), "mine") == stages_of(stage, "mine") == [stage]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": "dpo"}, 'the kind \'dpo\'; expected "sft" or "rl"'),
        ({"questions": ("q1", "q2")}, "has 'q1' among its questions; expected questions"),
        ({"steps": 2.5}, "has 2.5 steps; expected a whole number"),
        ({"steps": "5"}, "has '5' steps; expected a whole number"),
        ({"steps": True}, "has True steps; expected a whole number"),
        ({"epochs": "2"}, "has '2' epochs; expected a number"),
        ({"questions": 5}, "has 5 as questions; expected several"),
        ({"questions": repeat(make_question())}, "has more than 10,000,000 questions"),
        ({"selector": 5}, "the selector, of type int, has None as select; expected the methods"),
    ],
)
def test_what_makes_no_stage_is_refused(change, told):
    with pytest.raises(ValueError, match=told):
        Stage(**{"kind": "rl", "questions": tuple(questions()), "steps": 1} | change)


def test_a_curriculum_that_never_ends_is_refused():
    with pytest.raises(ValueError, match="curriculum mine gave more than 10,000 stages; does it end"):
        stages_of(repeat(Stage("rl", tuple(questions()), steps=1)), "mine")


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ([make_question(id="other")], "stage 1 .rl. has other, which it was not given"),
        (
            [replace(questions()[0], question="What?")],
            "has another question with the id .*, which it was not",
        ),
        ([questions()[0]] * 3, "has question .* 3 times, and no other; expected different ones"),
    ],
)
def test_stages_on_other_questions_than_were_given_are_refused(chosen, told):
    with pytest.raises(ValueError, match=f"curriculum mine: .*{told}"):
        check_given([Stage("rl", tuple(chosen), steps=1)], questions(), "mine")


def test_equal_questions_that_were_read_again_are_those_that_were_given():
    check_given([Stage("rl", tuple(questions()), steps=1)], questions(), "mine")


def test_a_curriculum_without_stages_is_refused():
    with pytest.raises(ValueError, match="curriculum mine gave no stages"):
        check_stages([], "mine")


def test_an_epoch_draws_every_question_once_and_epochs_differ_in_order():
    stage = Stage("rl", tuple(questions()), steps=100)
    drawn = [q.id for step in range(8) for q in stage.draw(4 * step, 4, 0, "rl")]
    assert sorted(drawn[:16]) == sorted(drawn[16:]) == sorted(q.id for q in questions())
    assert drawn[:16] != drawn[16:]


def test_a_draw_depends_on_its_step_and_key_alone():
    stage = Stage("rl", tuple(questions()), steps=100)
    assert stage.draw(5, 4, 0, "rl") == stage.draw(5, 4, 0, "rl") != stage.draw(5, 4, 1, "rl")


def test_a_batch_larger_than_the_stage_runs_into_the_next_epoch():
    stage = Stage("rl", tuple(questions(weak=1, strong=2)), steps=1)
    assert len(stage.draw(0, 7, 0)) == 7


def test_steps_follow_from_epochs_rounded_up():
    assert Stage("sft", tuple(questions()), epochs=2.0).total_steps(5) == 7
    assert Stage("sft", tuple(questions()), epochs=2.0, steps=3).total_steps(5) == 3


def test_a_curriculum_of_which_no_stage_has_a_step_is_refused():
    for lengths in ({"sft_steps": 0, "rl_steps": 0}, {"sft_epochs": 0.0, "rl_steps": 0}):
        stages = weak_to_strong(questions(), stated(), rng(), **lengths)
        with pytest.raises(ValueError, match="nothing would be trained; expected at least one stage with a"):
            check_stages(stages, "weak_to_strong")
    for lengths in ({"sft_steps": 0, "rl_steps": 1}, {"sft_steps": 1, "rl_steps": 0}):
        check_stages(weak_to_strong(questions(), stated(), rng(), **lengths), "weak_to_strong")


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        ({"steps": -1}, "at least 0"),
        ({"steps": 10**10}, "at most 1,000,000,000"),
        ({"epochs": np.nan}, "at least"),
    ],
)
def test_a_stage_of_impossible_length_is_refused(length, expected):
    with pytest.raises(ValueError, match=f"expected {expected}"):
        Stage("rl", tuple(questions()), **length)
