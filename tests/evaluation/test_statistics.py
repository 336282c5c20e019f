"""Intervals and tests of accuracies, against hand numbers and a second way to compute them."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlaudio.evaluation.statistics import (
    bootstrap_interval,
    crossed_bootstrap_interval,
    holm,
    mcnemar_p_value,
    paired_bootstrap_interval,
    seed_noise,
    sign_flip_p_value,
    t_quantile,
)

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


# --- several seeds ------------------------------------------------------------------------------------


def test_one_seed_crossed_is_the_plain_bootstrap():
    right = np.arange(400) % 4 == 0
    crossed = crossed_bootstrap_interval(right[None], resamples=4000, rng=np.random.default_rng(0))
    plain = bootstrap_interval(right, resamples=4000, rng=np.random.default_rng(1))
    assert crossed == pytest.approx(plain, abs=0.006)


def test_seeds_that_differ_make_the_crossed_interval_wider():
    rng = np.random.default_rng(0)
    alike = np.tile(rng.random(300) < 0.5, (4, 1))
    apart = np.stack([rng.random(300) < p for p in (0.2, 0.4, 0.6, 0.8)])
    widths = [
        high - low
        for low, high in (crossed_bootstrap_interval(v, rng=np.random.default_rng(1)) for v in (alike, apart))
    ]
    # of the seeds alone: std (0.2, .4, .6, .8) / sqrt(4) = 0.11, so 0.44 from end to end
    assert widths[0] < 0.14 and 0.35 < widths[1] < 0.55


def test_a_crossed_bootstrap_wants_seeds_by_questions():
    with pytest.raises(ValueError, match=r"\[seeds, questions\]; found shape \(3,\)"):
        crossed_bootstrap_interval([1.0, 0.0, 1.0], rng=np.random.default_rng(0))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_sign_flips_of_one_answer_each_are_mcnemars_test(pairs):
    after, before = (np.array(column) for column in zip(*pairs, strict=True))
    expected = mcnemar_p_value(after, before)
    assert sign_flip_p_value(after.astype(int) - before.astype(int)) == pytest.approx(expected)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=9))
def test_sign_flips_are_counted_one_by_one(differences):
    flips = list(itertools.product((-1, 1), repeat=len(differences)))
    sums = [sum(s * d for s, d in zip(signs, differences, strict=True)) for signs in flips]
    expected = np.mean([abs(s) >= abs(sum(differences)) for s in sums])
    assert sign_flip_p_value(np.array(differences)) == pytest.approx(expected)


def test_answers_counted_for_several_seeds_do_not_count_as_several_questions():
    differences = np.array([1] * 8 + [-1] * 2)
    assert sign_flip_p_value(3 * differences) == pytest.approx(sign_flip_p_value(differences))


def test_holm_multiplies_the_smallest_by_their_number_and_never_falls():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize(
    ("degrees", "expected"), [(1, 12.706), (2, 4.303), (10, 2.228), (30, 2.042), (10_000, 1.960)]
)
def test_t_quantiles_are_those_of_the_textbook(degrees, expected):
    assert t_quantile(0.975, degrees) == pytest.approx(expected, abs=6e-4)


def test_what_a_seed_does_to_all_arms_alike_is_no_noise():
    arms, seeds = np.array([[0.5], [0.6], [0.7]]), np.array([0.0, 0.1, -0.2])
    assert seed_noise(arms + seeds) == pytest.approx(0.0, abs=1e-12)


def test_the_noise_of_seeds_by_hand():
    # residuals +-0.01, sum of squares 4e-4, one degree of freedom, t = 12.706, times sqrt(2 / 2)
    assert seed_noise([[0.50, 0.54], [0.62, 0.62]]) == pytest.approx(12.706 * 0.02, rel=1e-4)


@pytest.mark.parametrize("accuracies", [[[0.5, 0.6]], [[0.5], [0.6]]])
def test_one_arm_or_one_seed_says_nothing_about_the_noise(accuracies):
    assert seed_noise(accuracies) is None
