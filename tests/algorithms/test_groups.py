"""Rewards against their group, worked out by hand; NaN marks a dropped sample."""

import pytest
import torch

from rlaudio.algorithms.groups import (
    STD_FLOOR,
    batch_normalised,
    batch_scaled,
    gap_to_mean,
    group_advantages,
    leave_one_out,
    spread,
)

NAN = float("nan")


def test_advantages_are_gaps_over_the_deviation_of_a_sample():
    rewards = torch.tensor([[0.0, 1.0, 2.0], [5.0, 5.0, 5.0]])  # deviations 1 and 0
    expected = torch.tensor([[-1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    torch.testing.assert_close(group_advantages(rewards), expected / (1.0 + STD_FLOOR))
    assert torch.equal(group_advantages(rewards, scale=False), expected)


def test_a_dropped_sample_counts_in_no_mean_and_stays_dropped():
    rewards = torch.tensor([[0.0, NAN, 2.0], [NAN, 3.0, NAN]])
    expected = torch.tensor([[-1.0, NAN, 1.0], [NAN, 0.0, NAN]])
    torch.testing.assert_close(gap_to_mean(rewards), expected, equal_nan=True)
    torch.testing.assert_close(spread(expected), torch.tensor([[2.0**0.5], [0.0]]))
    torch.testing.assert_close(
        leave_one_out(rewards), torch.tensor([[-2.0, NAN, 2.0], [NAN, 0.0, NAN]]), equal_nan=True
    )


def test_equal_rewards_give_exactly_0_whatever_a_mean_is_rounded_to():
    assert torch.equal(gap_to_mean(torch.full((1, 3), 0.1)), torch.zeros(1, 3))


def test_leave_one_out_is_the_gap_to_the_mean_of_the_others():
    assert leave_one_out(torch.tensor([[0.0, 1.0, 5.0]])).tolist() == [[-3.0, -1.5, 4.5]]


def test_a_batch_is_scaled_by_the_deviation_of_all():
    gap = torch.tensor([[-1.0, 1.0], [-3.0, 3.0]])  # squares sum to 20, of four values
    scaled = gap / ((20 / 3) ** 0.5 + STD_FLOOR)
    torch.testing.assert_close(batch_scaled(gap), scaled)
    torch.testing.assert_close(batch_normalised(gap + 7.0), scaled)


@pytest.mark.parametrize("compare", [group_advantages, leave_one_out])
def test_a_group_of_one_is_refused(compare):
    with pytest.raises(ValueError, match="found 1; expected 2 or more; raise sampling"):
        compare(torch.zeros(2, 1))
