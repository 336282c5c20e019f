"""What DAPO does otherwise than GRPO, by hand."""

import math

import pytest
import torch

from rlaudio.algorithms.dapo import DAPO
from rlaudio.algorithms.grpo import GRPO
from tests.algorithms.batches import UNEVEN, samples, tokens


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
