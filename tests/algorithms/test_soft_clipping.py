"""What replaces the clip in DPPO, SAPO and VESPO, by hand."""

import math

import pytest
import torch

from rlaudio.algorithms.algorithm import Need
from rlaudio.algorithms.dppo import DPPO
from rlaudio.algorithms.grpo import GRPO
from rlaudio.algorithms.sapo import SAPO
from rlaudio.algorithms.vespo import VESPO
from tests.algorithms.batches import tokens

UNEVEN = torch.tensor([2, 8])


def log(*values: float) -> list[float]:
    return [math.log(value) for value in values]


# --- DPPO ----------------------------------------------------------------------------------------


def test_dppo_keeps_a_rare_token_whose_ratio_is_large_and_caps_its_weight():
    batch = tokens(log(0.01), log(0.0001), [2.0], [1.0])  # ratio 100, 0.0099 of probability
    result = DPPO(delta=0.15, cap=10.0).loss(batch)
    result.total.backward()
    assert batch.logprobs.grad.tolist() == pytest.approx([-10.0 * 2.0])
    assert result.parts["loss/cap_fraction"].tolist() == [1.0]
    assert result.parts["loss/clip_fraction"].tolist() == [0.0]


def test_dppo_lets_go_of_a_likely_token_that_moved_far_though_its_ratio_is_near_1():
    batch = tokens(log(0.79), log(0.99), [-1.0], [1.0])  # ratio 0.8, as PPO would allow
    result = DPPO(delta=0.15).loss(batch)
    result.total.backward()
    assert batch.logprobs.grad.tolist() == [0.0] and result.parts["loss/clip_fraction"].tolist() == [1.0]


@pytest.mark.parametrize(("advantage", "p", "kept"), [
    (1.0, 0.60, True), (1.0, 0.70, False), (1.0, 0.10, True),
    (-1.0, 0.40, True), (-1.0, 0.30, False), (-1.0, 0.90, True),
])  # fmt: skip
def test_dppo_bounds_the_side_that_the_advantage_pushes_to(advantage, p, kept):
    batch = tokens(log(p), log(0.5), [advantage], [1.0])
    DPPO(delta=0.15).loss(batch).total.backward()
    assert float(batch.logprobs.grad) == pytest.approx(-advantage * p / 0.5 if kept else 0.0)


def test_dppo_refuses_a_cap_under_1_and_a_delta_over_1():
    with pytest.raises(ValueError, match=r"algorithm\.cap is 0\.5; expected at least 1"):
        DPPO(cap=0.5)
    with pytest.raises(ValueError, match=r"algorithm\.delta is 2; expected 0 to 1"):
        DPPO(delta=2.0)


# --- SAPO ----------------------------------------------------------------------------------------


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


# --- VESPO ---------------------------------------------------------------------------------------


def test_vespo_weighs_every_token_by_the_kernel_of_its_whole_completion():
    # ratios 2 and 0.5 make W = 1; the other completion has W = 3
    batch = tokens(log(0.2, 0.1, 0.3), log(0.1, 0.2, 0.1), [1.0, 1.0, -1.0], [1.0] * 3, completions=[0, 0, 1])
    result = VESPO().loss(batch)
    result.total.backward()
    far = 3.0**3 * math.exp(2.0 * (1.0 - 3.0))
    assert result.parts["loss/ratio_mean"].tolist() == pytest.approx([1.0, 1.0, 3.0])
    assert result.parts["loss/kernel"].tolist() == pytest.approx([1.0, 1.0, far])
    assert batch.logprobs.grad.tolist() == pytest.approx([-1.0, -1.0, far])


def test_vespos_kernel_peaks_at_power_over_decay():
    algorithm = VESPO(power=2.0, decay=4.0)
    kernels = [
        algorithm.loss(tokens(log(w), [0.0], [1.0], [1.0])).parts["loss/kernel"].item()
        for w in (0.4, 0.5, 0.6)
    ]
    assert kernels[1] > max(kernels[0], kernels[2])


def test_vespo_stays_finite_for_completions_beyond_all_bounds():
    batch = tokens([-400.0, 0.0], [0.0, -400.0], [1.0, 1.0], [0.5, 0.5], completions=[0, 1])
    result = VESPO().loss(batch)
    result.total.backward()
    assert batch.logprobs.grad.abs().max() < 1e-6 and result.total.isfinite()


def test_dppo_and_sapo_average_over_completions_and_vespo_over_tokens():
    for algorithm in (DPPO(), SAPO()):
        assert algorithm.weights(UNEVEN).tolist() == [0.25, 0.0625]
    assert VESPO().weights(UNEVEN).tolist() == [0.1, 0.1]
    assert all(Need.REFERENCE not in algorithm.needs for algorithm in (DPPO(), SAPO(), VESPO()))
