"""What GDPO does otherwise than GRPO, by hand."""

import math

import pytest
import torch

from rlaudio.algorithms.gdpo import GDPO
from rlaudio.algorithms.grpo import GRPO
from tests.algorithms.batches import NAN, UNEVEN, doubles, samples


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
