"""Contribution-weighted GRPO by hand: advantages and token weights."""

import pytest
import torch

from rlaudio.algorithms.algorithm import Need
from rlaudio.algorithms.contribution_weighted import ContributionWeighted
from rlaudio.algorithms.grpo import GRPO
from tests.algorithms.batches import NAN, samples, tokens


def test_advantages_are_those_of_grpo_times_the_floored_contribution():
    given = samples([[1.0, 0.0]] * 3, contribution=[0.5, 0.05, -1.0])
    advantages = ContributionWeighted(floor=0.1).advantages(given)
    expected = GRPO().advantages(given) * torch.tensor([[0.5], [0.1], [0.1]])
    torch.testing.assert_close(advantages, expected)


def test_a_question_better_answered_in_silence_falls_out_at_floor_zero():
    advantages = ContributionWeighted(floor=0.0).advantages(samples([[1.0, 0.0]], contribution=[-0.5]))
    assert advantages.tolist() == [[0.0, 0.0]]


def test_dropped_samples_stay_dropped_whatever_the_contribution():
    advantages = ContributionWeighted().advantages(samples([[1.0, NAN, 0.0]], contribution=[0.0]))
    assert advantages.isnan().tolist() == [[False, True, False]]


def test_tokens_count_by_their_gap_to_silence_normalised_in_each_completion():
    batch = tokens(
        [-1.0, -1.0, -1.0],
        [-1.0, -1.0, -1.0],
        [1.0, 1.0, -1.0],
        [0.25, 0.25, 0.5],
        completions=[0, 0, 1],
        silence=[-4.0, -1.0 + 1.0, -1.5],  # gaps 3, -1 and 0.5: shares 1.5, 0.5 and 1
    )
    ContributionWeighted(kl=0.0, token_floor=0.0).loss(batch).total.backward()
    assert batch.logprobs.grad.tolist() == pytest.approx([-0.25 * 1.5, -0.25 * 0.5, 0.5])
    assert batch.signals["silence"].grad is None


def test_the_token_floor_is_shared_out_evenly():
    batch = tokens([-1.0, -1.0], [-1.0, -1.0], [1.0, 1.0], [0.5, 0.5], silence=[-3.0, -1.0])
    ContributionWeighted(kl=0.0, token_floor=0.2).loss(batch).total.backward()
    assert batch.logprobs.grad.tolist() == pytest.approx([-0.5 * (0.2 + 0.8 * 2.0), -0.5 * 0.2])


def test_where_silence_changes_nothing_all_tokens_count_alike():
    batch = tokens([-1.0, -2.0], [-1.0, -2.0], [1.0, 1.0], [0.5, 0.5], silence=[-1.0, -2.0])
    ContributionWeighted(kl=0.0).loss(batch).total.backward()
    assert batch.logprobs.grad.tolist() == pytest.approx([-0.5, -0.5])


def test_token_weights_follow_the_policy_that_sampled_not_the_one_that_moved():
    totals = []
    for logprobs in ([-1.0, -1.0], [-0.9, -1.1]):
        batch = tokens(logprobs, [-1.0, -1.0], [1.0, 1.0], [0.5, 0.5], silence=[-3.0, -2.0])
        loss = ContributionWeighted(kl=0.0, clip=1.0, clip_high=9.0).loss(batch)
        ratios = (batch.logprobs - batch.old_logprobs).exp().detach()
        totals.append((loss.parts["loss/policy"] / ratios).tolist())
    assert totals[0] == pytest.approx(totals[1])


def test_by_token_off_is_grpos_loss_and_needs_no_silence():
    plain = ContributionWeighted(kl=0.0, by_token=False)
    columns = ([-1.0, -2.0], [-1.1, -1.7], [1.0, -0.5], [0.5, 0.5])
    assert plain.needs == {Need.CONTRIBUTION}
    assert ContributionWeighted(kl=0.0).needs == {Need.CONTRIBUTION, Need.SILENCE}
    actual, expected = (a.loss(tokens(*columns)).total.detach() for a in (plain, GRPO(kl=0.0)))
    assert float(actual) == float(expected)
