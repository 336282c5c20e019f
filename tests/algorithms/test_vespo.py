"""What replaces the clip in VESPO, by hand."""

import math

import pytest

from rlaudio.algorithms.algorithm import Need
from rlaudio.algorithms.vespo import VESPO
from tests.algorithms.batches import UNEVEN, log, tokens


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


def test_vespo_averages_over_tokens_and_needs_no_reference():
    assert VESPO().weights(UNEVEN).tolist() == [0.1, 0.1]
    assert Need.REFERENCE not in VESPO().needs
