"""What replaces the clip in SAPO, by hand."""

import math

import pytest
import torch

from rlaudio.algorithms.algorithm import Need
from rlaudio.algorithms.grpo import GRPO
from rlaudio.algorithms.sapo import SAPO
from tests.algorithms.batches import UNEVEN, log, tokens


def test_sapo_at_ratio_1_is_worth_2_over_the_temperature_and_has_the_gradient_of_grpo():
    columns = ([-1.0, -2.0], [-1.0, -2.0], [1.0, -0.5], [0.5, 0.5])
    soft, hard = tokens(*columns), tokens(*columns)
    result = SAPO(temperature=1.0, negative_temperature=2.0).loss(soft)
    result.total.backward()
    GRPO(kl=0.0).loss(hard).total.backward()
    assert result.parts["loss/policy"].tolist() == pytest.approx([-2.0, 0.5])
    torch.testing.assert_close(soft.logprobs.grad, hard.logprobs.grad)
    assert result.parts["loss/gate_slope"].tolist() == [1.0, 1.0]


def test_sapo_fades_in_both_directions_and_sooner_for_negative_advantages():
    ratios = log(0.2, 3.0, 0.2, 3.0)
    batch = tokens(ratios, [0.0] * 4, [1.0, 1.0, -1.0, -1.0], [1.0] * 4)
    result = SAPO(temperature=1.0, negative_temperature=2.0).loss(batch)
    slopes = result.parts["loss/gate_slope"].tolist()

    def slope(temperature: float, ratio: float) -> float:  # sech^2 of half the distance
        return 1.0 / math.cosh(temperature * (ratio - 1.0) / 2.0) ** 2

    assert slopes == pytest.approx([slope(1.0, 0.2), slope(1.0, 3.0), slope(2.0, 0.2), slope(2.0, 3.0)])


def test_sapo_refuses_a_temperature_of_0():
    with pytest.raises(ValueError, match=r"algorithm\.negative_temperature is 0; expected at least 0\.001"):
        SAPO(negative_temperature=0.0)


def test_sapo_averages_over_completions_and_needs_no_reference():
    assert SAPO().weights(UNEVEN).tolist() == [0.25, 0.0625]
    assert Need.REFERENCE not in SAPO().needs
