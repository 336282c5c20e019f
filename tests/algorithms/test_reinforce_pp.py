"""What REINFORCE++ does otherwise than GRPO, by hand."""

import math

import pytest
import torch

from rlaudio.algorithms.reinforce_pp import ReinforcePP
from tests.algorithms.batches import UNEVEN, doubles, samples


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
