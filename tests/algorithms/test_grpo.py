"""GRPO, and the pieces that the others share with it, by hand."""

import math

import pytest
import torch

from rlaudio.algorithms.algorithm import completion_mean, completion_sum, sequence_mean, token_mean
from rlaudio.algorithms.grpo import GRPO
from tests.algorithms.batches import NAN, doubles, samples, tokens


def test_advantages_are_rewards_minus_the_mean_over_the_sample_deviation():
    advantages = GRPO().advantages(samples([[1.0, 0.0, 0.0, 0.0]]))
    deviation = 0.5  # sqrt((0.75^2 + 3 * 0.25^2) / 3)
    torch.testing.assert_close(advantages, doubles([[0.75, -0.25, -0.25, -0.25]]) / (deviation + 1e-4))


def test_without_scaling_advantages_are_the_gap_to_the_mean():
    assert GRPO(scale="none").advantages(samples([[2.5, 0.5]])).tolist() == [[1.0, -1.0]]


def test_a_group_with_equal_rewards_has_no_advantage():
    assert GRPO().advantages(samples([[2.5] * 4])).tolist() == [[0.0] * 4]


def test_equal_rewards_whose_mean_is_rounded_have_no_advantage_either():
    advantages = GRPO().advantages(samples([[1.1, 1.1, 1.1, NAN, 1.1, 1.1, 1.1]]))
    assert advantages.nan_to_num(9.0).tolist() == [[0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0]]


def test_a_dropped_sample_counts_in_no_mean_and_stays_nan():
    advantages = GRPO(scale="none").advantages(samples([[1.0, NAN, 0.0]]))
    assert advantages[0, 0] == 0.5 and advantages[0, 2] == -0.5 and advantages[0, 1].isnan()


def test_the_last_sample_of_a_group_whose_others_were_dropped_has_no_advantage():
    assert GRPO().advantages(samples([[NAN, 2.0, NAN]])).nan_to_num(9.0).tolist() == [[9.0, 0.0, 9.0]]


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected", "gradient"),
    [
        (1.5, 1.0, -1.2, False),  # good and already much likelier: clipped at 1 + clip
        (1.5, -1.0, 1.5, True),  # bad and likelier: never clipped
        (0.5, 1.0, -0.5, True),  # good and less likely: never clipped
        (0.5, -1.0, 0.8, False),  # bad and already much less likely: clipped at 1 - clip
    ],
)
def test_the_ratio_is_clipped_only_where_it_would_pay(ratio, advantage, expected, gradient):
    batch = tokens([math.log(ratio)], [0.0], [advantage], [1.0])
    result = GRPO(clip=0.2, kl=0.0).loss(batch)
    result.total.backward()
    assert float(result.total.detach()) == pytest.approx(expected)
    assert bool(batch.logprobs.grad.abs() > 0) == gradient
    assert bool(result.parts["loss/clip_fraction"]) == (not gradient)


def test_clip_high_moves_the_upper_bound_alone():
    algorithm = GRPO(clip=0.2, clip_high=0.28, kl=0.0)
    above, below = (tokens([math.log(r)], [0.0], [a], [1.0]) for r, a in ((1.5, 1.0), (0.5, -1.0)))
    assert float(algorithm.loss(above).total.detach()) == pytest.approx(-1.28)
    assert float(algorithm.loss(below).total.detach()) == pytest.approx(0.8)


def test_the_gradient_at_ratio_one_is_minus_weight_times_advantage():
    batch = tokens([-1.0, -2.0], [-1.0, -2.0], [2.0, -1.0], [0.5, 0.25])
    GRPO(kl=0.0).loss(batch).total.backward()
    assert batch.logprobs.grad.tolist() == pytest.approx([-1.0, 0.25])


def test_the_kl_term_is_added_with_its_weight_and_logged_without():
    batch = tokens([-1.0], [-1.0], [0.0], [1.0], reference=[-2.0])
    result = GRPO(kl=0.5).loss(batch)
    assert float(result.total.detach()) == pytest.approx(0.5 * math.exp(-1.0))  # e^-1 + 1 - 1
    assert float(result.parts["loss/kl"]) == pytest.approx(math.exp(-1.0))


def test_the_kl_term_pulls_towards_the_reference():
    batch = tokens([-1.0], [-1.0], [0.0], [1.0], reference=[-2.0])
    GRPO(kl=1.0).loss(batch).total.backward()
    assert float(batch.logprobs.grad) == pytest.approx(1.0 - math.exp(-1.0))  # descent lowers the log-prob


def test_logged_parts_carry_no_gradient():
    parts = GRPO(kl=0.1).loss(tokens([-1.0], [-1.0], [1.0], [1.0], reference=[-2.0])).parts
    assert parts.keys() == {"loss/policy", "loss/ratio_mean", "loss/clip_fraction", "loss/kl"}
    assert not any(part.requires_grad for part in parts.values())


def test_sequence_mean_weighs_completions_and_token_mean_weighs_tokens_alike():
    lengths = torch.tensor([2, 8])
    assert sequence_mean(lengths).tolist() == [0.25, 0.0625]
    assert token_mean(lengths).tolist() == [0.1, 0.1]
    assert GRPO().weights(lengths).tolist() == [0.25, 0.0625]
    assert GRPO(aggregate="token").weights(lengths).tolist() == [0.1, 0.1]


def test_dr_grpo_divides_by_a_constant_whatever_the_lengths():
    dr_grpo = GRPO(scale="none", aggregate="constant", length=10)
    assert dr_grpo.weights(torch.tensor([2, 8])).tolist() == [0.05, 0.05]


def test_a_length_is_refused_where_nothing_is_divided_by_it():
    with pytest.raises(
        ValueError, match=r"length is 24 and algorithm\.aggregate is sequence, .* leave it out"
    ):
        GRPO(length=24)


def test_the_constant_is_the_token_limit_unless_a_length_was_given():
    lengths = torch.tensor([2, 8])
    dr_grpo = GRPO(aggregate="constant")
    with pytest.raises(ValueError, match="what a completion counts as is not known; give"):
        dr_grpo.weights(lengths)
    assert dr_grpo.with_token_limit(20).weights(lengths).tolist() == [0.025, 0.025]
    given = GRPO(aggregate="constant", length=10)
    assert given.with_token_limit(20).weights(lengths).tolist() == [0.05, 0.05]
    assert GRPO().with_token_limit(20) == GRPO()


@pytest.mark.parametrize("weigh", [sequence_mean, token_mean])
def test_the_weights_of_all_tokens_sum_to_one(weigh):
    lengths = torch.tensor([3, 1, 7])
    assert float((weigh(lengths) * lengths).sum()) == pytest.approx(1.0)


def test_sums_and_means_over_completions_come_back_to_every_token():
    values, completions = doubles([1.0, 3.0, 10.0]), torch.tensor([0, 0, 1])
    assert completion_sum(values, completions).tolist() == [4.0, 4.0, 10.0]
    assert completion_mean(values, completions).tolist() == [2.0, 2.0, 10.0]
