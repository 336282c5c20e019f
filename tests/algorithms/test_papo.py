"""PAPO by hand: the perception KL and both entropies."""

import math

import pytest

from rlaudio.algorithms.algorithm import Need
from rlaudio.algorithms.grpo import GRPO
from rlaudio.algorithms.papo import PAPO
from tests.algorithms.batches import tokens


def test_papo_subtracts_the_perception_kl_and_adds_both_entropies():
    batch = tokens([-1.0], [-1.0], [2.0], [1.0], silence=[-2.0])
    result = PAPO(gamma=0.1, entropy=0.01, kl=0.0).loss(batch)
    perception = math.exp(-1.0)  # k3 at a gap of -1: e^-1 + 1 - 1
    assert float(result.parts["loss/perception"]) == pytest.approx(perception)
    assert float(result.total.detach()) == pytest.approx(-2.0 - 0.1 * perception + 0.01 * (1.0 + 2.0))


def test_papo_makes_a_token_likelier_than_silence_would():
    batch = tokens([-1.0], [-1.0], [0.0], [1.0], silence=[-2.0])
    PAPO(gamma=1.0, entropy=0.0, kl=0.0).loss(batch).total.backward()
    assert float(batch.logprobs.grad) == pytest.approx(math.exp(-1.0) - 1.0)  # descent raises the log-prob


def test_papos_entropy_term_makes_the_policy_surer():
    batch = tokens([-1.0], [-1.0], [0.0], [1.0], silence=[-1.0])
    PAPO(gamma=0.0, entropy=0.3, kl=0.0).loss(batch).total.backward()
    assert float(batch.logprobs.grad) == pytest.approx(-0.3)
    assert float(batch.signals["silence"].grad) == pytest.approx(-0.3)


def test_papo_without_perception_and_entropy_is_grpo():
    columns = ([-1.0, -2.0], [-1.1, -1.7], [1.0, -0.5], [0.5, 0.5])
    papo = PAPO(gamma=0.0, entropy=0.0, kl=0.1).loss(
        tokens(*columns, silence=[-3.0, -4.0], reference=[-1.0, -1.0])
    )
    grpo = GRPO(clip_high=0.3, kl=0.1).loss(tokens(*columns, reference=[-1.0, -1.0]))
    assert float(papo.total.detach()) == pytest.approx(float(grpo.total.detach()))


def test_papo_asks_for_silence_with_a_gradient_only_if_told():
    assert PAPO(kl=0.0).needs == {Need.SILENCE, Need.EQUAL_GROUPS}
    assert PAPO(kl=0.0, gradient="both").needs == {Need.SILENCE_GRADIENT, Need.EQUAL_GROUPS}
    assert PAPO().needs == {Need.SILENCE, Need.EQUAL_GROUPS, Need.REFERENCE}
