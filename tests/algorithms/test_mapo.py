"""MAPO by hand: weights from gaps of entropy."""

import math

import pytest

from rlaudio.algorithms.algorithm import Need
from rlaudio.algorithms.grpo import GRPO
from rlaudio.algorithms.mapo import MAPO
from tests.algorithms.batches import tokens


def test_mapo_weighs_tokens_by_the_softmax_of_their_entropy_gap():
    batch = tokens(
        [-1.0, -1.0, -1.0],
        [-1.0, -1.0, -1.0],
        [1.0, 1.0, -2.0],
        [0.25, 0.25, 0.5],
        completions=[0, 0, 1],
        entropy=[0.5, 1.0, 3.0],
        silence_entropy=[0.5, 0.0, 0.0],  # gaps 0, 1 and 3
    )
    result = MAPO(kl=0.0).loss(batch)
    result.total.backward()
    second = 2.0 / (1.0 + math.exp(-1.0 / math.log(2.0)))  # of two tokens, T = 2
    assert result.parts["loss/entropy_gap"].tolist() == [0.0, 1.0, 3.0]
    assert batch.logprobs.grad.tolist() == pytest.approx([-0.25 * (2.0 - second), -0.25 * second, 1.0])


def test_mapo_limits_a_weight_before_the_mean_is_made_1_again():
    gaps = [50.0] + [0.0] * 7
    batch = tokens([-1.0] * 8, [-1.0] * 8, [1.0] * 8, [0.125] * 8, entropy=[0.0] * 8, silence_entropy=gaps)
    MAPO(kl=0.0, limit=5.0).loss(batch).total.backward()
    assert batch.logprobs.grad.tolist() == pytest.approx([-1.0] + [0.0] * 7, abs=1e-8)
    batch = tokens(
        [-1.0] * 2, [-1.0] * 2, [1.0] * 2, [0.5] * 2, entropy=[0.0] * 2, silence_entropy=[1.0, 0.0]
    )
    MAPO(kl=0.0, limit=1.0).loss(batch).total.backward()
    small = 2.0 / (1.0 + math.exp(1.0 / math.log(2.0)))  # the other one is cut to 1
    assert batch.logprobs.grad.tolist() == pytest.approx([-1.0 / (1.0 + small), -small / (1.0 + small)])


def test_mapo_without_a_gap_is_grpo_and_its_kl_is_not_weighted():
    columns = ([-1.0, -2.0], [-1.1, -1.7], [1.0, -0.5], [0.5, 0.5])
    even = {"entropy": [1.0, 2.0], "silence_entropy": [1.0, 2.0]}
    reference = {"reference": [-1.5, -1.5]}
    mapo = MAPO(kl=0.1).loss(tokens(*columns, **even, **reference))
    grpo = GRPO(kl=0.1).loss(tokens(*columns, **reference))
    assert float(mapo.total.detach()) == pytest.approx(float(grpo.total.detach()))
    uneven = {"entropy": [0.0, 0.0], "silence_entropy": [3.0, 0.0]}
    only_kl = tokens(*columns[:2], [0.0, 0.0], columns[3], **uneven, **reference)
    plain = tokens(*columns[:2], [0.0, 0.0], columns[3], **reference)
    mapo, grpo = MAPO(kl=0.1).loss(only_kl), GRPO(kl=0.1).loss(plain)
    assert float(mapo.total.detach()) == pytest.approx(float(grpo.total.detach()))


def test_mapo_weighs_each_completion_by_itself_however_large_anothers_gaps_are():
    batch = tokens(
        [-1.0] * 4,
        [-1.0] * 4,
        [1.0] * 4,
        [0.25] * 4,
        completions=[0, 0, 1, 1],
        entropy=[0.0] * 4,
        silence_entropy=[2000.0, 2000.0, 0.0, 0.0],
    )
    MAPO(kl=0.0).loss(batch).total.backward()
    assert batch.logprobs.grad.tolist() == pytest.approx([-0.25] * 4)


def test_mapo_asks_for_entropies_of_policy_and_reference():
    assert MAPO(kl=0.0).needs == {Need.ENTROPY, Need.SILENCE_ENTROPY}
    assert MAPO().needs == {Need.ENTROPY, Need.SILENCE_ENTROPY, Need.REFERENCE, Need.EQUAL_GROUPS}
