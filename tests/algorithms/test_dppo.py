"""What replaces the clip in DPPO, by hand."""

import pytest

from rlaudio.algorithms.algorithm import Need
from rlaudio.algorithms.dppo import DPPO
from tests.algorithms.batches import UNEVEN, log, tokens


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


def test_dppo_averages_over_completions_and_needs_no_reference():
    assert DPPO().weights(UNEVEN).tolist() == [0.25, 0.0625]
    assert Need.REFERENCE not in DPPO().needs
