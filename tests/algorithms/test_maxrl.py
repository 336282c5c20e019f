"""What MaxRL does otherwise than GRPO, by hand."""

import pytest
import torch

from rlaudio.algorithms.maxrl import MaxRL
from tests.algorithms.batches import NAN, UNEVEN, samples


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
