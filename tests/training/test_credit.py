"""From scored groups to rows: who is learned from, with which advantages and weights."""

from dataclasses import replace

import numpy as np
import pytest

from rlaudio.algorithms.dapo import DAPO
from rlaudio.algorithms.grpo import GRPO
from rlaudio.algorithms.ppo import PPO
from rlaudio.algorithms.sft import SFT
from rlaudio.training.credit import assign_credit, samples_of
from rlaudio.types import ScoredGroup
from tests.algorithms.batches import NAN, doubles
from tests.factories import make_completion, make_group

LONG, SHORT, CUT = "one two three", "one", make_completion("one two three four", stop_reason="length")
LENGTHS = [4, 2, 4]  # with the stop token, which a truncated completion lacks


def scored(*rewards: list[float]) -> list[ScoredGroup]:
    """Groups of three completions: a long one, a short one, and one that was cut at the limit."""
    return [
        ScoredGroup(make_group(LONG, SHORT, CUT), {"r": np.array(r)}, np.array(r), weights={"r": 1.0})
        for r in rewards
    ]


def test_samples_tell_lengths_and_which_completions_were_cut():
    samples = samples_of(scored([1.0, 0.0, 0.0]))
    assert samples.lengths.tolist() == [LENGTHS]
    assert samples.truncated.tolist() == [[False, False, True]]
    assert samples.mask.sum(-1).tolist() == [LENGTHS]
    assert samples.part_weights == {"r": 1.0}


def test_every_branch_carries_its_advantage_and_the_weight_of_its_tokens():
    (row,) = assign_credit(scored([1.0, 0.0, 0.5]), GRPO(scale="none"))
    for branch, length, advantage in zip(row.branches, LENGTHS, (0.5, -0.5, 0.0), strict=True):
        assert branch.advantages.tolist() == [advantage] * length
        assert branch.weight == pytest.approx(1 / (3 * length))


def test_a_dropped_sample_is_left_out_and_weighs_nothing_whatever_the_algorithm_says():
    for algorithm in (GRPO(), SFT()):  # SFT gives it an advantage
        (row,) = assign_credit(scored([1.0, NAN, 0.5]), algorithm)
        assert [len(branch.token_ids) for branch in row.branches] == [4, 4]
        assert sum(b.weight * len(b.token_ids) for b in row.branches) == pytest.approx(1.0)


def test_a_sample_that_the_algorithm_leaves_out_is_left_out():
    (row,) = assign_credit(scored([1.0, 0.0, 0.5]), DAPO())
    assert [len(branch.token_ids) for branch in row.branches] == [4, 2]
    assert [branch.weight for branch in row.branches] == pytest.approx([1 / 6] * 2)


def test_weights_go_over_the_mini_batch_that_a_group_belongs_to():
    rows = assign_credit(scored([1.0, 0.0, 0.0], [1.0, 0.0, NAN], [1.0, 0.0, 0.0]), GRPO(), mini_batches=2)
    assert [row.mini_batch for row in rows] == [0, 0, 1]
    assert [row.branches[0].weight for row in rows] == pytest.approx([1 / (5 * 4), 1 / (5 * 4), 1 / (3 * 4)])


def test_token_level_advantages_and_returns_are_cut_to_each_completion():
    values = np.arange(12.0).reshape(1, 3, 4)
    algorithm = PPO(lam=1.0)
    (row,) = assign_credit(scored([1.0, 0.0, NAN]), algorithm, signals={"values": doubles(values)})
    assert len(row.branches) == 2
    for g, (branch, reward) in enumerate(zip(row.branches, (1.0, 0.0), strict=True)):
        length = LENGTHS[g]
        assert branch.advantages.shape == (length,) and np.isfinite(branch.advantages).all()
        assert branch.signals["old_values"].tolist() == values[0, g, :length].tolist()
        assert branch.signals["returns"].tolist() == pytest.approx([reward] * length)


def test_a_completion_in_which_nothing_was_sampled_is_left_out():
    (group,) = scored([1.0, 0.0, 0.5])
    first, *others = group.group.completions
    given = [replace(segment, logprobs=None) for segment in first.segments]  # an environment inserted it
    group = replace(group, group=replace(group.group, completions=(replace(first, segments=given), *others)))
    (row,) = assign_credit([group], GRPO(scale="none"))
    assert [branch.advantages[0] for branch in row.branches] == [-0.5, 0.0]
    assert sum(b.weight * len(b.targets) for b in row.branches) == pytest.approx(1.0)
