"""What each relative of GRPO does otherwise, by hand: DAPO, GSPO, CISPO, RLOO, REINFORCE++, GDPO, MaxRL."""

import math

import pytest
import torch

from rlaudio.algorithms.cispo import CISPO
from rlaudio.algorithms.dapo import DAPO
from rlaudio.algorithms.gdpo import GDPO
from rlaudio.algorithms.grpo import GRPO
from rlaudio.algorithms.gspo import GSPO
from rlaudio.algorithms.maxrl import MaxRL
from rlaudio.algorithms.reinforce_pp import ReinforcePP
from rlaudio.algorithms.rloo import RLOO
from tests.algorithms.batches import NAN, doubles, samples, tokens

UNEVEN = torch.tensor([2, 8])

# --- DAPO ----------------------------------------------------------------------------------------


def test_dapo_leaves_truncated_samples_out_after_they_counted_in_their_group():
    given = samples([[1.0, 0.0, 0.0, 0.0]], truncated=[[False, True, False, False]])
    actual, whole = DAPO().advantages(given), GRPO().advantages(given)
    assert actual[0, 1].isnan()
    torch.testing.assert_close(actual[0, [0, 2, 3]], whole[0, [0, 2, 3]])


def test_dapo_can_keep_truncated_samples():
    given = samples([[1.0, 0.0]], truncated=[[True, True]])
    torch.testing.assert_close(DAPO(filter_truncated=False).advantages(given), GRPO().advantages(given))


def test_dapo_clips_at_0_8_and_1_28_and_averages_over_tokens():
    batch = tokens([math.log(1.5), math.log(0.5)], [0.0, 0.0], [1.0, -1.0], [0.5, 0.5])
    assert float(DAPO().loss(batch).total.detach()) == pytest.approx(0.5 * (-1.28 + 0.8))
    assert DAPO().weights(UNEVEN).tolist() == [0.1, 0.1]


# --- GSPO ----------------------------------------------------------------------------------------


def test_gspo_takes_the_geometric_mean_of_a_completions_ratios():
    # two tokens at 1.21 and 1.0, one at 0.9: ratios 1.1 and 0.9
    batch = tokens(
        [math.log(1.21), 0.0, math.log(0.9)],
        [0.0, 0.0, 0.0],
        [1.0, 1.0, 2.0],
        [0.25, 0.25, 0.5],
        completions=[0, 0, 1],
    )
    result = GSPO(clip=0.5, clip_high=0.5).loss(batch)
    assert result.parts["loss/ratio_mean"].tolist() == pytest.approx([1.1, 1.1, 0.9])
    assert float(result.total.detach()) == pytest.approx(-(0.5 * 1.1 + 0.5 * 1.8))


def test_gspo_gives_every_token_of_a_completion_the_same_gradient():
    batch = tokens([math.log(1.21), 0.0], [0.0, 0.0], [1.0, 1.0], [0.5, 0.5])
    GSPO(clip=0.5, clip_high=0.5).loss(batch).total.backward()
    assert batch.logprobs.grad.tolist() == pytest.approx([-0.55, -0.55])  # d/dx of -exp(mean of x)


def test_gspo_clips_whole_completions_within_a_tiny_range():
    batch = tokens([0.002, 0.0, 0.0002], [0.0] * 3, [1.0] * 3, [0.25, 0.25, 0.5], completions=[0, 0, 1])
    result = GSPO().loss(batch)
    result.total.backward()
    assert result.parts["loss/clip_fraction"].tolist() == [1.0, 1.0, 0.0]  # e^0.001 > 1.0004 > e^0.0002
    assert batch.logprobs.grad[:2].tolist() == [0.0, 0.0]
    assert float(result.total.detach()) == pytest.approx(-0.5 * 1.0004 - 0.5 * math.exp(0.0002))


def test_gspo_weighs_completions_alike():
    assert GSPO().weights(UNEVEN).tolist() == [0.25, 0.0625]


# --- CISPO ---------------------------------------------------------------------------------------


def test_cispo_clips_the_weight_and_keeps_the_gradient():
    batch = tokens([math.log(8.0)], [0.0], [2.0], [1.0])
    result = CISPO().loss(batch)
    result.total.backward()
    assert float(batch.logprobs.grad) == pytest.approx(-10.0)  # -5 * 2: clipped, not cut off
    assert float(result.total.detach()) == pytest.approx(-10.0 * math.log(8.0))
    assert result.parts["loss/clip_fraction"].tolist() == [1.0]


def test_cispo_passes_no_gradient_through_the_weight():
    batch = tokens([math.log(0.5)], [0.0], [1.0], [1.0])
    CISPO().loss(batch).total.backward()
    assert float(batch.logprobs.grad) == pytest.approx(-0.5)  # with it: -0.5 (1 + log 0.5)


def test_cispo_has_a_lower_bound_only_if_told():
    for clip, expected in ((1.0, 0.01), (0.2, 0.8)):
        batch = tokens([math.log(0.01)], [0.0], [-1.0], [1.0])
        CISPO(clip=clip).loss(batch).total.backward()
        assert float(batch.logprobs.grad) == pytest.approx(expected)


def test_cispo_weighs_tokens_alike():
    assert CISPO().weights(UNEVEN).tolist() == [0.1, 0.1]


# --- RLOO ----------------------------------------------------------------------------------------


def test_rloo_compares_with_the_mean_of_the_others():
    advantages = RLOO().advantages(samples([[3.0, 0.0, 1.5]]))
    assert advantages[0].tolist() == pytest.approx([2.25, -2.25, 0.0])  # 3 - 0.75, 0 - 2.25, 1.5 - 1.5


def test_rloo_counts_only_the_others_that_have_a_reward():
    advantages = RLOO().advantages(samples([[3.0, NAN, 1.0], [NAN, 2.0, NAN]]))
    assert advantages.nan_to_num(9.0).tolist() == [[2.0, 9.0, -2.0], [9.0, 0.0, 9.0]]


def test_rloos_gradient_is_the_advantage_for_the_summed_logprob_of_each_completion():
    batch = tokens([-1.0] * 3, [-1.0] * 3, [2.0, 2.0, -4.0], [0.25, 0.25, 0.5], completions=[0, 0, 1])
    RLOO(kl=0.0).loss(batch).total.backward()
    assert batch.logprobs.grad.tolist() == pytest.approx([-1.0, -1.0, 2.0])  # -A / 2 completions, each token


def test_rloo_takes_the_ratio_of_whole_completions_and_clips_it_only_if_told():
    columns = ([math.log(2.0), math.log(3.0)], [0.0, 0.0], [1.0, 1.0], [0.5, 0.5])
    assert float(RLOO(kl=0.0).loss(tokens(*columns)).total.detach()) == pytest.approx(-6.0)
    assert float(RLOO(kl=0.0, clip=0.2).loss(tokens(*columns)).total.detach()) == pytest.approx(-1.2)


# --- REINFORCE++ ---------------------------------------------------------------------------------


def test_reinforce_pp_compares_with_the_mean_of_the_whole_step():
    advantages = ReinforcePP().advantages(samples([[1.0, 1.0], [0.0, 0.0]]))
    deviation = math.sqrt(4 * 0.25 / 3)
    torch.testing.assert_close(advantages, doubles([[0.5, 0.5], [-0.5, -0.5]]) / (deviation + 1e-4))


def test_reinforce_pp_with_a_group_baseline_scales_by_the_whole_step():
    advantages = ReinforcePP(baseline="group").advantages(samples([[1.0, 0.0], [5.0, 5.0]]))
    deviation = math.sqrt(2 * 0.25 / 3)
    torch.testing.assert_close(advantages, doubles([[0.5, -0.5], [0.0, 0.0]]) / (deviation + 1e-4))


def test_reinforce_pp_learns_from_one_completion_a_question():
    advantages = ReinforcePP().advantages(samples([[1.0], [0.0]]))
    torch.testing.assert_close(advantages, doubles([[0.5], [-0.5]]) / (math.sqrt(0.5) + 1e-4))
    with pytest.raises(ValueError, match="found 1; expected 2 or more"):
        ReinforcePP(baseline="group").advantages(samples([[1.0], [0.0]]))


def test_reinforce_pp_averages_over_tokens_or_completions():
    assert ReinforcePP().weights(UNEVEN).tolist() == [0.1, 0.1]
    assert ReinforcePP(aggregate="sequence").weights(UNEVEN).tolist() == [0.25, 0.0625]


# --- GDPO ----------------------------------------------------------------------------------------


def test_gdpo_normalises_each_reward_in_its_group_before_summing():
    given = samples([[2.0, 0.0]], parts={"a": [[1.0, 0.0]], "b": [[0.0, 4.0]]}, weights={"a": 2.0, "b": 0.5})
    a, b = 0.5 / (math.sqrt(0.5) + 1e-4), 2.0 / (math.sqrt(8.0) + 1e-4)
    first = 2.0 * a - 0.5 * b
    advantages = GDPO().advantages(given)
    torch.testing.assert_close(advantages, doubles([[first, -first]]) / (math.sqrt(2) * first + 1e-4))


def test_gdpo_tells_apart_what_the_sum_of_rewards_confuses():
    parts = {"right": [[1.0, 0.0, 0.0, 0.0]], "format": [[0.0, 1.0, 1.0, 0.0]]}
    given = samples([[1.0, 1.0, 1.0, 0.0]], parts=parts)
    assert len(set(GRPO().advantages(given)[0, :3].tolist())) == 1
    assert GDPO().advantages(given)[0, 0] > GDPO().advantages(given)[0, 1] > 0.0


def test_gdpo_scales_by_the_step_and_leaves_groups_without_spread_at_exactly_zero():
    given = samples([[1.1, 1.1, 1.1], [0.0, 1.0, 0.3]])
    advantages = GDPO().advantages(given)
    assert advantages[0].tolist() == [0.0] * 3
    deviation = math.sqrt(float(advantages.square().sum()) / 5)
    assert deviation == pytest.approx(1.0, abs=1e-3)


def test_gdpo_drops_a_sample_that_lacks_one_reward_from_all_of_them():
    given = samples([[NAN, 1.0, 0.0]], parts={"a": [[9.0, 1.0, 0.0]], "b": [[NAN, 1.0, 0.0]]})
    without = samples([[1.0, 0.0]], parts={"a": [[1.0, 0.0]], "b": [[1.0, 0.0]]})
    advantages = GDPO().advantages(given)
    assert advantages[0, 0].isnan()
    torch.testing.assert_close(advantages[:, 1:], GDPO().advantages(without))


def test_gdpo_averages_as_grpo_or_over_tokens():
    assert GDPO().weights(UNEVEN).tolist() == [0.25, 0.0625]
    assert GDPO(aggregate="token").weights(UNEVEN).tolist() == [0.1, 0.1]


# --- MaxRL ---------------------------------------------------------------------------------------


def test_maxrl_divides_by_the_success_rate_so_that_rare_successes_weigh_more():
    advantages = MaxRL().advantages(samples([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 0.0]]))
    assert advantages.tolist() == [[3.0, -1.0, -1.0, -1.0], pytest.approx([1 / 3, 1 / 3, 1 / 3, -1.0])]


def test_maxrl_leaves_out_a_group_without_success_and_one_whose_mean_is_negative():
    advantages = MaxRL().advantages(samples([[0.0, 0.0], [-1.0, 0.5], [1.0, -1.0]]))
    assert advantages.tolist() == [[0.0, 0.0]] * 3


def test_maxrl_keeps_a_dropped_sample_out_of_the_rate_and_of_the_update():
    advantages = MaxRL().advantages(samples([[1.0, NAN, 0.0, NAN], [0.0, 0.0, 0.0, NAN]]))
    assert advantages[0, [0, 2]].tolist() == [1.0, -1.0] and advantages[1, :3].tolist() == [0.0] * 3
    assert advantages.isnan().tolist() == [[False, True, False, True], [False, False, False, True]]


def test_maxrl_estimates_the_gradient_of_the_log_of_the_success_rate():
    """Groups of 64 with a success rate of 0.25: (r - p) / p, up to the group's own rate."""
    rewards = (torch.arange(64) % 4 == 0).double().unsqueeze(0)
    torch.testing.assert_close(MaxRL().advantages(samples(rewards.tolist())), (rewards - 0.25) / 0.25)


def test_maxrl_compares_completions_and_averages_over_tokens():
    with pytest.raises(ValueError, match="found 1; expected 2 or more"):
        MaxRL().advantages(samples([[1.0]]))
    assert MaxRL().weights(UNEVEN).tolist() == [0.1, 0.1]
