"""The algorithms that use the audio, by hand: PAPO, contribution-weighted GRPO and MAPO."""

import math

import pytest
import torch

from rlaudio.algorithms.algorithm import Need
from rlaudio.algorithms.contribution_weighted import ContributionWeighted
from rlaudio.algorithms.grpo import GRPO
from rlaudio.algorithms.mapo import MAPO
from rlaudio.algorithms.papo import PAPO
from tests.algorithms.batches import NAN, samples, tokens

# --- PAPO ----------------------------------------------------------------------------------------


def test_papo_subtracts_the_perception_kl_and_adds_both_entropies():
    batch = tokens([-1.0], [-1.0], [2.0], [1.0], silence=[-2.0])
    result = PAPO(gamma=0.1, entropy=0.01, kl=0.0).loss(batch)
    perception = math.exp(-1.0)  # k3 at a gap of -1: e^-1 + 1 - 1
    assert float(result.parts["loss/perception"]) == pytest.approx(perception)
    assert float(result.total.detach()) == pytest.approx(-2.0 - 0.1 * perception + 0.01 * (1.0 + 2.0))


def test_papo_makes_a_token_likelier_than_silence_would():
    batch = tokens([-1.0], [-1.0], [0.0], [1.0], silence=[-2.0])
    PAPO(gamma=1.0, entropy=0.0, kl=0.0).loss(batch).total.backward()
    assert float(batch.logprobs.grad) == pytest.approx(math.exp(-1.0) - 1.0)  # descent raises the log-prob


def test_papos_entropy_term_makes_the_policy_surer():
    batch = tokens([-1.0], [-1.0], [0.0], [1.0], silence=[-1.0])
    PAPO(gamma=0.0, entropy=0.3, kl=0.0).loss(batch).total.backward()
    assert float(batch.logprobs.grad) == pytest.approx(-0.3)
    assert float(batch.signals["silence"].grad) == pytest.approx(-0.3)


def test_papo_without_perception_and_entropy_is_grpo():
    columns = ([-1.0, -2.0], [-1.1, -1.7], [1.0, -0.5], [0.5, 0.5])
    papo = PAPO(gamma=0.0, entropy=0.0, kl=0.1).loss(
        tokens(*columns, silence=[-3.0, -4.0], reference=[-1.0, -1.0])
    )
    grpo = GRPO(clip_high=0.3, kl=0.1).loss(tokens(*columns, reference=[-1.0, -1.0]))
    assert float(papo.total.detach()) == pytest.approx(float(grpo.total.detach()))


def test_papo_asks_for_silence_with_a_gradient_only_if_told():
    assert PAPO(kl=0.0).needs == {Need.SILENCE, Need.EQUAL_GROUPS}
    assert PAPO(kl=0.0, gradient="both").needs == {Need.SILENCE_GRADIENT, Need.EQUAL_GROUPS}
    assert PAPO().needs == {Need.SILENCE, Need.EQUAL_GROUPS, Need.REFERENCE}


# --- contribution-weighted -----------------------------------------------------------------------


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


# --- MAPO ----------------------------------------------------------------------------------------


def test_mapo_weighs_tokens_by_the_softmax_of_their_entropy_gap():
    batch = tokens(
        [-1.0, -1.0, -1.0],
        [-1.0, -1.0, -1.0],
        [1.0, 1.0, -2.0],
        [0.25, 0.25, 0.5],
        completions=[0, 0, 1],
        entropy=[0.5, 1.0, 3.0],
        silence_entropy=[0.5, 0.0, 0.0],  # gaps 0, 1 and 3
    )
    result = MAPO(kl=0.0).loss(batch)
    result.total.backward()
    second = 2.0 / (1.0 + math.exp(-1.0 / math.log(2.0)))  # of two tokens, T = 2
    assert result.parts["loss/entropy_gap"].tolist() == [0.0, 1.0, 3.0]
    assert batch.logprobs.grad.tolist() == pytest.approx([-0.25 * (2.0 - second), -0.25 * second, 1.0])


def test_mapo_limits_a_weight_before_the_mean_is_made_1_again():
    gaps = [50.0] + [0.0] * 7
    batch = tokens([-1.0] * 8, [-1.0] * 8, [1.0] * 8, [0.125] * 8, entropy=[0.0] * 8, silence_entropy=gaps)
    MAPO(kl=0.0, limit=5.0).loss(batch).total.backward()
    assert batch.logprobs.grad.tolist() == pytest.approx([-1.0] + [0.0] * 7, abs=1e-8)
    batch = tokens(
        [-1.0] * 2, [-1.0] * 2, [1.0] * 2, [0.5] * 2, entropy=[0.0] * 2, silence_entropy=[1.0, 0.0]
    )
    MAPO(kl=0.0, limit=1.0).loss(batch).total.backward()
    small = 2.0 / (1.0 + math.exp(1.0 / math.log(2.0)))  # the other one is cut to 1
    assert batch.logprobs.grad.tolist() == pytest.approx([-1.0 / (1.0 + small), -small / (1.0 + small)])


def test_mapo_without_a_gap_is_grpo_and_its_kl_is_not_weighted():
    columns = ([-1.0, -2.0], [-1.1, -1.7], [1.0, -0.5], [0.5, 0.5])
    even = {"entropy": [1.0, 2.0], "silence_entropy": [1.0, 2.0]}
    reference = {"reference": [-1.5, -1.5]}
    mapo = MAPO(kl=0.1).loss(tokens(*columns, **even, **reference))
    grpo = GRPO(kl=0.1).loss(tokens(*columns, **reference))
    assert float(mapo.total.detach()) == pytest.approx(float(grpo.total.detach()))
    uneven = {"entropy": [0.0, 0.0], "silence_entropy": [3.0, 0.0]}
    only_kl = tokens(*columns[:2], [0.0, 0.0], columns[3], **uneven, **reference)
    plain = tokens(*columns[:2], [0.0, 0.0], columns[3], **reference)
    mapo, grpo = MAPO(kl=0.1).loss(only_kl), GRPO(kl=0.1).loss(plain)
    assert float(mapo.total.detach()) == pytest.approx(float(grpo.total.detach()))


def test_mapo_weighs_each_completion_by_itself_however_large_anothers_gaps_are():
    batch = tokens(
        [-1.0] * 4,
        [-1.0] * 4,
        [1.0] * 4,
        [0.25] * 4,
        completions=[0, 0, 1, 1],
        entropy=[0.0] * 4,
        silence_entropy=[2000.0, 2000.0, 0.0, 0.0],
    )
    MAPO(kl=0.0).loss(batch).total.backward()
    assert batch.logprobs.grad.tolist() == pytest.approx([-0.25] * 4)


def test_mapo_asks_for_entropies_of_policy_and_reference():
    assert MAPO(kl=0.0).needs == {Need.ENTROPY, Need.SILENCE_ENTROPY}
    assert MAPO().needs == {Need.ENTROPY, Need.SILENCE_ENTROPY, Need.REFERENCE, Need.EQUAL_GROUPS}
