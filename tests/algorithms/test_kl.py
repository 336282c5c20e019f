"""Estimates of the divergence from the reference, against numbers worked out by hand."""

import math

import pytest

from rlaudio.algorithms.kl import kl_estimate
from tests.algorithms.batches import doubles


@pytest.mark.parametrize(("kind", "expected"), [("k1", 1.0), ("k2", 0.5), ("k3", math.exp(-1.0))])
def test_kl_estimates_by_hand(kind, expected):
    estimate = kl_estimate(doubles([-1.0, -1.0]), doubles([-2.0, -1.0]), kind)
    assert estimate.tolist() == pytest.approx([expected, 0.0])


def test_k2_as_a_loss_has_the_log_ratio_as_its_gradient():
    logprobs = doubles([-1.0, -3.0]).requires_grad_()
    kl_estimate(logprobs, doubles([-2.0, -1.0]), "k2").sum().backward()
    assert logprobs.grad.tolist() == [1.0, -2.0]


@pytest.mark.parametrize("reference", [0.0, -1000.0])
def test_k3_of_a_token_that_one_side_rules_out_is_limited_and_keeps_gradients_finite(reference):
    logprobs = doubles([-500.0]).requires_grad_()
    estimate = kl_estimate(logprobs, doubles([reference]), "k3")
    estimate.backward()
    assert float(estimate.detach()) == 10.0 and float(logprobs.grad) == 0.0
