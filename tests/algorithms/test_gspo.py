"""What GSPO does otherwise than GRPO, by hand."""

import math

import pytest

from rlaudio.algorithms.gspo import GSPO
from tests.algorithms.batches import UNEVEN, tokens


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
