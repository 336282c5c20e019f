"""Tokens of a step, by hand and against the masks that attention has."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from rlaudio.models.shared.branching import Branching
from rlaudio.planning.tokens import StepTokens


def test_a_step_by_hand():
    tokens = StepTokens(
        question_count=5, group_size=3, prompt=10, audio=6, frames=24, completion=2, packed=True, budget=40
    )
    assert (tokens.row, tokens.computed, tokens.repeated) == (16, 80, 180)
    assert (tokens.rows_together, tokens.micro_batches, tokens.targets) == (2, 3, 30)
    alone = replace(tokens, packed=False)
    assert (alone.row, alone.rows, alone.computed) == (12, 15, 180)
    assert replace(tokens, budget=1).rows_together == 1  # a row longer than the budget goes alone


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 40), st.integers(1, 9))
def test_packing_never_costs_tokens_and_saves_none_of_a_single_completion(questions, group, prompt, length):
    tokens = StepTokens(
        question_count=questions, group_size=group, prompt=prompt, audio=0, frames=0, completion=length,
        packed=True, budget=64,
    )  # fmt: skip
    assert tokens.computed <= tokens.repeated
    assert (tokens.computed == tokens.repeated) == (group == 1)
    assert replace(tokens, packed=False).computed == tokens.repeated


@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 12), st.integers(1, 6))
def test_a_cpu_computes_just_the_pairs_that_see_each_other(questions, group, prompt, length):
    tokens = StepTokens(
        question_count=questions, group_size=group, prompt=prompt, audio=0, frames=0, completion=length,
        packed=True, budget=10_000,
    )  # fmt: skip
    branching = Branching(((prompt, (length,) * group),) * questions)
    assert tokens.pairs("cpu") == int(branching.visible().sum())
    assert tokens.pairs("cpu") <= tokens.pairs("gpu") <= tokens.pairs("eager")
    assert tokens.pairs("eager") == branching.tokens**2
