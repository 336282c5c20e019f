"""What CISPO does otherwise than GRPO, by hand."""

import math

import pytest

from rlaudio.algorithms.cispo import CISPO
from tests.algorithms.batches import UNEVEN, tokens


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
