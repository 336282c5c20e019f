"""PPO and its critic, by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlaudio.algorithms.algorithm import Need
from rlaudio.algorithms.ppo import PPO
from tests.algorithms.batches import NAN, doubles, samples, tokens

TWO = {"lengths": [[3, 1]], "values": [[[0.5, 0.2, 0.4], [0.1, 0.0, 0.0]]]}


def test_gae_by_hand():
    # 3 tokens, reward 1 at the last, gamma 0.9, lambda 0.5:
    # deltas 0.9*0.2-0.5 = -0.32, 0.9*0.4-0.2 = 0.16, 1-0.4 = 0.6
    # advantages 0.6, 0.16+0.45*0.6 = 0.43, -0.32+0.45*0.43 = -0.1265
    returns = PPO(gamma=0.9, lam=0.5).returns(samples([[1.0, 0.0]], **TWO))
    assert returns[0, 0].tolist() == pytest.approx([-0.1265 + 0.5, 0.43 + 0.2, 0.6 + 0.4])
    assert float(returns[0, 1, 0]) == pytest.approx(0.0)  # -0.1 + 0.1: the reward of its only token


def test_advantages_are_normalised_over_the_tokens_of_the_step():
    advantages = PPO(gamma=0.9, lam=0.5).advantages(samples([[1.0, 0.0]], **TWO))
    raw = doubles([-0.1265, 0.43, 0.6, -0.1])
    expected = (raw - raw.mean()) / (raw.std() + 1e-4)
    torch.testing.assert_close(torch.cat([advantages[0, 0], advantages[0, 1, :1]]), expected)


def test_tokens_that_do_not_exist_have_no_advantage():
    advantages = PPO().advantages(samples([[1.0, 0.0]], **TWO))
    assert advantages.isnan().tolist() == [[[False] * 3, [False, True, True]]]


def test_padding_in_the_values_does_not_matter():
    padded = {"lengths": [[3, 1]], "values": [[[0.5, 0.2, 0.4], [0.1, 7.0, NAN]]]}
    first, second = (PPO().advantages(samples([[1.0, 0.0]], **s)) for s in (TWO, padded))
    torch.testing.assert_close(first, second, equal_nan=True)


def test_a_dropped_sample_is_left_out_with_all_its_tokens():
    advantages = PPO().advantages(samples([[NAN, 0.0]], **TWO))
    assert advantages[0, 0].isnan().all() and not advantages[0, 1, 0].isnan()


def test_a_critic_that_is_always_right_leaves_no_advantage():
    advantages = PPO(lam=0.5).advantages(samples([[1.0]], lengths=[[2]], values=[[[1.0, 1.0]]]))
    assert advantages.tolist() == [[[0.0, 0.0]]]


@given(
    st.lists(st.integers(1, 5), min_size=3, max_size=3),
    st.lists(st.floats(-4, 4), min_size=3, max_size=3),
)
def test_without_critic_and_discount_every_token_returns_the_reward(lengths, rewards):
    given_ = samples([rewards], lengths=[lengths], values=[[[0.0] * max(lengths)] * 3])
    returns = PPO(gamma=1.0, lam=1.0).returns(given_)
    for g, length in enumerate(lengths):
        assert returns[0, g, :length].tolist() == pytest.approx([rewards[g]] * length)


def test_with_lambda_one_the_critic_cancels_in_the_returns():
    returns = PPO(gamma=1.0, lam=1.0).returns(samples([[2.0, -1.0]], **TWO))
    assert returns[0, 0].tolist() == pytest.approx([2.0] * 3) and float(returns[0, 1, 0]) == pytest.approx(
        -1.0
    )


def critic(values, old, returns, **options):
    batch = tokens([0.0], [0.0], [0.0], [1.0], values=values, old_values=old, returns=returns)
    result = PPO(kl=0.0, **options).loss(batch)
    result.total.backward()
    return result, float(batch.signals["values"].grad)


@pytest.mark.parametrize(
    ("value", "expected", "gradient"),
    [
        (0.1, 0.5 * 0.9**2, -0.9),  # within 0.2 of what it said: plain squared error
        (0.5, 0.5 * 0.8**2, 0.0),  # moved further and better: held at 0.2, no gradient
        (-0.5, 0.5 * 1.5**2, -1.5),  # moved further and worse: pulled back with the full error
    ],
)
def test_the_critics_error_is_clipped_only_where_that_makes_it_larger(value, expected, gradient):
    result, slope = critic([value], [0.0], [1.0])
    assert float(result.total.detach()) == pytest.approx(expected)
    assert slope == pytest.approx(gradient)
    assert float(result.parts["loss/value_clip_fraction"]) == (gradient == 0.0)


def test_without_value_clip_the_error_is_plain():
    result, gradient = critic([0.5], [0.0], [1.0], value_clip=None)
    assert float(result.total.detach()) == pytest.approx(0.125) and gradient == pytest.approx(-0.5)


def test_the_value_weight_scales_the_critics_part_alone():
    result, _ = critic([0.0], [0.0], [1.0], value_weight=0.1)
    assert float(result.total.detach()) == pytest.approx(0.05)
    assert float(result.parts["loss/value"]) == pytest.approx(0.5)


def test_the_policy_part_is_clipped_on_both_sides():
    signals = {"values": [0.0] * 2, "old_values": [0.0] * 2, "returns": [0.0] * 2}
    batch = tokens([math.log(1.5), math.log(0.5)], [0.0] * 2, [1.0, -1.0], [0.5, 0.5], **signals)
    assert float(PPO(kl=0.0).loss(batch).total.detach()) == pytest.approx(0.5 * (-1.2 + 0.8))


def test_the_critic_learns_from_groups_with_equal_rewards_and_from_one_completion():
    assert PPO(kl=0.0).needs == {Need.VALUES, Need.EQUAL_GROUPS}
    assert not PPO().advantages(samples([[1.0]], lengths=[[1]], values=[[[0.0]]])).isnan().any()


def test_every_token_of_the_update_counts_alike():
    assert PPO().weights(torch.tensor([2, 8])).tolist() == [0.1, 0.1]
