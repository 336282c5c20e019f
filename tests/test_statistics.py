"""Intervals and tests of accuracies, against hand numbers and a second way to compute them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlaudio.evaluation.statistics import bootstrap_interval, mcnemar_p_value, paired_bootstrap_interval

answers = st.lists(st.booleans(), min_size=1, max_size=60)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def resampled_means(values: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """The textbook bootstrap: draw N indices with replacement, take the mean, again and again."""
    draws = rng.integers(0, len(values), size=(resamples, len(values)))
    return values[draws].mean(axis=1)


def test_bootstrap_interval_agrees_with_drawing_indices():
    values = np.array([1.0] * 70 + [0.0] * 30)
    low, high = bootstrap_interval(values, resamples=20_000, rng=rng())
    expected = np.quantile(resampled_means(values, 20_000, rng(1)), (0.025, 0.975))
    assert (low, high) == pytest.approx(expected, abs=0.011)  # one item is 0.01


def test_bootstrap_interval_of_many_distinct_values_agrees_with_drawing_indices():
    values = rng(3).normal(size=50)
    interval = bootstrap_interval(values, resamples=20_000, rng=rng())
    expected = np.quantile(resampled_means(values, 20_000, rng(1)), (0.025, 0.975))
    assert interval == pytest.approx(expected, abs=0.02)


def test_bootstrap_interval_has_the_width_of_the_normal_approximation():
    # p = 0.5, N = 400: standard error 0.025, so 95 % is 0.5 +- 0.049
    interval = bootstrap_interval([True, False] * 200, resamples=20_000, rng=rng())
    assert interval == pytest.approx((0.451, 0.549), abs=0.003)


def test_bootstrap_interval_of_equal_values_has_no_width():
    assert bootstrap_interval([True] * 9, rng=rng()) == (1.0, 1.0)


def test_bootstrap_interval_repeats_with_the_same_seed_only():
    values = rng(5).random(40)
    assert bootstrap_interval(values, rng=rng(7)) == bootstrap_interval(values, rng=rng(7))
    assert bootstrap_interval(values, rng=rng(7)) != bootstrap_interval(values, rng=rng(8))


@given(answers, st.sampled_from([0.5, 0.9, 0.99]))
def test_bootstrap_interval_holds_only_possible_accuracies_in_order(right, level):
    low, high = bootstrap_interval(right, level=level, resamples=200, rng=rng())
    assert 0.0 <= low <= high <= 1.0


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [[1.0, 0.0]]])
def test_bootstrap_interval_refuses_values_without_a_mean(values):
    with pytest.raises(ValueError, match="at least one value and all finite"):
        bootstrap_interval(values, rng=rng())


def test_paired_interval_of_one_model_against_itself_is_zero():
    right = rng(2).random(50) < 0.6
    assert paired_bootstrap_interval(right, right, rng=rng()) == (0.0, 0.0)


def test_paired_interval_agrees_with_drawing_pairs():
    before, after = rng(1).random(200) < 0.4, rng(2).random(200) < 0.7
    interval = paired_bootstrap_interval(after, before, resamples=20_000, rng=rng())
    differences = after.astype(float) - before
    expected = np.quantile(resampled_means(differences, 20_000, rng(9)), (0.025, 0.975))
    assert interval == pytest.approx(expected, abs=0.006)


def test_paired_interval_is_narrower_than_two_independent_ones_for_answers_that_move_together():
    before = rng(1).random(500) < 0.5
    after = before.copy()
    after[:25] = True
    low, high = paired_bootstrap_interval(after, before, rng=rng())
    alone = bootstrap_interval(before, rng=rng())
    assert high - low < 0.5 * (alone.high - alone.low)


def test_paired_interval_refuses_different_items():
    with pytest.raises(ValueError, match="same items"):
        paired_bootstrap_interval([True, False], [True], rng=rng())


def outcomes(gained: int, lost: int, same: int) -> tuple[np.ndarray, np.ndarray]:
    after = np.array([True] * gained + [False] * lost + [True] * same)
    before = np.array([False] * gained + [True] * lost + [True] * same)
    return after, before


@pytest.mark.parametrize(
    ("gained", "lost", "p_value"),
    [
        (0, 0, 1.0),
        (5, 0, 2 / 32),  # 2 * C(5,0) / 2^5
        (8, 2, 2 * (1 + 10 + 45) / 1024),
        (2, 8, 2 * (1 + 10 + 45) / 1024),
        (3, 3, 1.0),  # 2 * (1 + 6 + 15 + 20) / 64 > 1
    ],
)
def test_mcnemar_matches_hand_numbers(gained, lost, p_value):
    assert mcnemar_p_value(*outcomes(gained, lost, same=11)) == pytest.approx(p_value)


def test_mcnemar_agrees_with_flipping_a_coin_for_every_differing_item():
    after, before = outcomes(gained=14, lost=5, same=40)
    heads = rng().binomial(19, 0.5, size=400_000)
    expected = np.mean(np.abs(heads - 9.5) >= 4.5)
    assert mcnemar_p_value(after, before) == pytest.approx(expected, abs=0.002)


def test_mcnemar_of_thousands_of_differing_items_does_not_overflow():
    assert mcnemar_p_value(*outcomes(gained=3000, lost=2000, same=0)) < 1e-40


def test_mcnemar_refuses_scores_that_are_not_right_or_wrong():
    with pytest.raises(ValueError, match="bool"):
        mcnemar_p_value([0.5, 1.0], [0.0, 1.0])
