"""Algorithms against numbers worked out by hand and against a second implementation in NumPy."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rlaudio.algorithms.algorithm import Samples, Tokens, sequence_mean, token_mean
from rlaudio.algorithms.grpo import GRPO
from rlaudio.algorithms.kl import kl_estimate as k3
from rlaudio.algorithms.sft import SFT

rewards = arrays(np.float64, (3, 5), elements=st.integers(-20, 20).map(lambda n: n / 4))


def tokens(logprobs, behaviour, advantages, weights, reference=None):
    def as_tensor(values):
        return torch.tensor(values, dtype=torch.float64)

    return Tokens(
        logprobs=as_tensor(logprobs).requires_grad_(),
        old_logprobs=as_tensor(behaviour),
        advantages=as_tensor(advantages),
        weights=as_tensor(weights),
        completions=torch.zeros(len(logprobs), dtype=torch.int64),
        signals={} if reference is None else {"reference": as_tensor(reference)},
    )


def test_advantages_are_rewards_minus_the_mean_over_the_sample_deviation():
    found = GRPO().advantages(Samples(torch.tensor([[1.0, 0.0, 0.0, 0.0]])))
    deviation = 0.5  # sqrt((0.75^2 + 3 * 0.25^2) / 3)
    expected = torch.tensor([[0.75, -0.25, -0.25, -0.25]]) / (deviation + 1e-4)
    torch.testing.assert_close(found, expected)


def test_without_scaling_advantages_are_the_gap_to_the_mean():
    found = GRPO(scale="none").advantages(Samples(torch.tensor([[2.5, 0.5]])))
    torch.testing.assert_close(found, torch.tensor([[1.0, -1.0]]))


@given(rewards, st.floats(-5, 5))
def test_advantages_ignore_a_constant_added_to_the_rewards(values, shift):
    first = GRPO().advantages(Samples(torch.from_numpy(values)))
    second = GRPO().advantages(Samples(torch.from_numpy(values) + shift))
    torch.testing.assert_close(first, second, atol=1e-6, rtol=1e-6)


@given(rewards)
def test_advantages_of_a_group_sum_to_zero_and_follow_its_order(values):
    found = GRPO().advantages(Samples(torch.from_numpy(values)))
    torch.testing.assert_close(found.sum(-1), torch.zeros(3, dtype=torch.float64), atol=1e-9, rtol=0)
    permuted = GRPO().advantages(Samples(torch.from_numpy(values[:, ::-1].copy())))
    torch.testing.assert_close(permuted.flip(-1), found)


def test_a_group_with_equal_rewards_has_no_advantage():
    assert GRPO().advantages(Samples(torch.full((1, 4), 2.5))).tolist() == [[0.0] * 4]


def test_equal_rewards_whose_mean_is_rounded_have_no_advantage_either():
    rewards = torch.full((1, 7), 1.1, dtype=torch.float64)
    rewards[0, 3] = float("nan")
    found = GRPO().advantages(Samples(rewards))
    assert found.nan_to_num(9.0).tolist() == [[0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0]]


def test_a_dropped_sample_counts_in_no_mean_and_stays_nan():
    found = GRPO(scale="none").advantages(Samples(torch.tensor([[1.0, float("nan"), 0.0]])))
    assert found[0, 0] == 0.5 and found[0, 2] == -0.5 and found[0, 1].isnan()


def test_groups_of_one_are_refused_with_a_way_out():
    with pytest.raises(ValueError, match=r"found 1; expected 2 or more; raise sampling.group_size, or use"):
        GRPO().advantages(Samples(torch.tensor([[2.0]])))


def test_at_ratio_one_the_loss_is_minus_the_mean_advantage_and_its_gradient_the_policy_gradient():
    batch = tokens([-1.0, -2.0], [-1.0, -2.0], [2.0, -1.0], [0.5, 0.5])
    loss = GRPO(kl=0.0).loss(batch).total
    loss.backward()
    assert float(loss.detach()) == pytest.approx(-0.5)
    assert batch.logprobs.grad.tolist() == pytest.approx([-1.0, 0.5])  # -weight * advantage


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
    batch = tokens([math.log(1.5)], [0.0], [1.0], [1.0])
    assert float(GRPO(clip=0.2, clip_high=0.28, kl=0.0).loss(batch).total) == pytest.approx(-1.28)


def test_k3_by_hand():
    found = k3(torch.tensor([-1.0, -1.0]), torch.tensor([-2.0, -1.0]))
    assert found.tolist() == pytest.approx([math.exp(-1.0) + 1.0 - 1.0, 0.0])


@given(arrays(np.float64, 6, elements=st.floats(-8, 0)), arrays(np.float64, 6, elements=st.floats(-8, 0)))
def test_k3_is_never_negative_and_zero_for_equal_policies(first, second):
    assert (k3(torch.from_numpy(first), torch.from_numpy(second)) >= 0).all()
    assert (k3(torch.from_numpy(first), torch.from_numpy(first)) == 0).all()


def test_the_loss_agrees_with_a_second_implementation():
    rng = np.random.default_rng(0)
    new, old, reference = (-rng.exponential(size=40) for _ in range(3))
    advantages, weights = rng.normal(size=40), rng.dirichlet(np.ones(40))
    total = 0.0
    for lp, lp_old, lp_ref, advantage, weight in zip(new, old, reference, advantages, weights, strict=True):
        ratio = math.exp(lp - lp_old)
        surrogate = min(ratio * advantage, min(max(ratio, 0.9), 1.3) * advantage)
        kl = min(math.exp(lp_ref - lp) - (lp_ref - lp) - 1.0, 10.0)
        total += weight * (-surrogate + 0.05 * kl)
    found = GRPO(clip=0.1, clip_high=0.3, kl=0.05).loss(tokens(new, old, advantages, weights, reference))
    assert float(found.total.detach()) == pytest.approx(total, abs=1e-12)


def test_one_batch_loses_what_its_micro_batches_lose_together():
    rng = np.random.default_rng(1)
    columns = [rng.normal(size=12) for _ in range(4)]
    whole = GRPO(kl=0.0).loss(tokens(*columns)).total
    parts = [GRPO(kl=0.0).loss(tokens(*(c[s] for c in columns))).total for s in (slice(0, 5), slice(5, 12))]
    assert float(whole.detach()) == pytest.approx(float(sum(parts).detach()))


def test_sequence_mean_weighs_completions_and_token_mean_weighs_tokens_alike():
    lengths = torch.tensor([2, 8])
    assert sequence_mean(lengths).tolist() == [0.25, 0.0625]
    assert token_mean(lengths).tolist() == [0.1, 0.1]


@pytest.mark.parametrize("weigh", [sequence_mean, token_mean])
def test_the_weights_of_all_tokens_sum_to_one(weigh):
    lengths = torch.tensor([3, 1, 7])
    assert float((weigh(lengths) * lengths).sum()) == pytest.approx(1.0)


def test_sft_is_the_weighted_cross_entropy():
    result = SFT().loss(tokens([-1.0, -3.0], [0.0, 0.0], [1.0, 1.0], [0.5, 0.5]))
    assert float(result.total.detach()) == 2.0


def test_grpo_needs_a_reference_only_for_its_kl_term():
    assert "reference" in GRPO(kl=0.01).needs and not GRPO(kl=0.0).needs
