"""Intervals and tests of accuracies, against hand numbers, published ones and a second way to compute."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rlaudio.evaluation.statistics import (
    accuracy_interval,
    difference_interval,
    difference_p_value,
    grade_difference,
    holm,
    mcnemar_p_value,
    mean_interval,
    seed_noise,
)
from tests.tool_scripts import load_tool

Z = 1.959964  # 97.5 % of the normal distribution


coverage = load_tool("interval_coverage")


def answers_of(right: int, questions: int) -> np.ndarray:
    return np.arange(questions) < right


@st.composite
def answers_of_seeds(draw, most_seeds: int = 4):
    """Answers of two arms to the same questions, bool [S, Q] each."""
    seeds, questions = draw(st.integers(1, most_seeds)), draw(st.integers(1, 30))
    share = draw(st.sampled_from([0.0, 0.05, 0.5, 0.95, 1.0]))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    alike = rng.random(questions) < share  # of all seeds, but for some
    first, second = (alike ^ (rng.random((seeds, questions)) < draw(st.sampled_from([0, 0.3]))) for _ in "ab")
    return first, second


# --- one model ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "questions", "low", "high"),  # R. G. Newcombe, Stat. Med. 17 (1998) 857, table I, method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_of_an_accuracy_is_wilsons_as_published(right, questions, low, high):
    assert accuracy_interval(answers_of(right, questions)) == pytest.approx((low, high), abs=5e-5)


def test_an_accuracy_of_one_or_zero_has_an_interval_with_a_width():
    assert accuracy_interval([True] * 9) == pytest.approx((9 / (9 + Z**2), 1.0))
    assert accuracy_interval([False] * 9) == pytest.approx((0.0, Z**2 / (9 + Z**2)))


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_accuracy_lies_as_many_standard_errors_from_an_end_as_the_level_says(counts):
    right, questions = counts
    for end in accuracy_interval(answers_of(right, questions)):
        error = math.sqrt(end * (1 - end) / questions)  # of the end, which makes the interval Wilson's
        apart = abs(right / questions - end)
        assert apart == pytest.approx(Z * error, abs=1e-7) or (apart == 0 and end in (0.0, 1.0))


def test_the_interval_of_a_difference_is_bonett_and_prices_as_published():
    # Bentur et al. 2009, 1 and 7 of 21 discordant: (2 - 8) / 23 -+ 1.96 sqrt((10/23 - (6/23)^2) / 23)
    before, after = np.zeros(21, bool), np.zeros(21, bool)
    after[:1], before[1:8] = True, True
    assert difference_interval(after, before) == pytest.approx((-0.508359, -0.013380), abs=1e-5)


def test_a_difference_of_nothing_has_an_interval_with_a_width():
    right = answers_of(5, 8)
    half = Z * math.sqrt(2) / 10  # one question gained and one lost in 10: variance 2/10, of the mean 2/100
    assert difference_interval(right, right) == pytest.approx((-half, half))


def test_the_interval_of_a_difference_is_narrower_than_two_independent_ones_for_answers_that_move_together():
    before = np.random.default_rng(1).random(500) < 0.5
    after = before.copy()
    after[:25] = True
    low, high = difference_interval(after, before)
    alone = accuracy_interval(before)
    assert high - low < 0.5 * (alone.high - alone.low)


def test_the_interval_of_a_difference_refuses_different_questions():
    with pytest.raises(ValueError, match="same questions; found shapes"):
        difference_interval([True, False], [True])


@pytest.mark.parametrize("answers", [[], [1.0, 0.0], np.ones((2, 2, 2), bool), np.ones((0, 4), bool)])
def test_intervals_refuse_what_are_no_answers(answers):
    with pytest.raises(ValueError, match="expected at least one answer, all bool"):
        accuracy_interval(answers)
    with pytest.raises(ValueError, match="expected at least one answer, all bool"):
        difference_interval(answers, answers)


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
    heads = np.random.default_rng(0).binomial(19, 0.5, size=400_000)
    expected = np.mean(np.abs(heads - 9.5) >= 4.5)
    assert mcnemar_p_value(after, before) == pytest.approx(expected, abs=0.002)


def test_mcnemar_of_thousands_of_differing_items_does_not_overflow():
    assert mcnemar_p_value(*outcomes(gained=3000, lost=2000, same=0)) < 1e-40


def test_mcnemar_refuses_scores_that_are_not_right_or_wrong():
    with pytest.raises(ValueError, match="bool"):
        mcnemar_p_value([0.5, 1.0], [0.0, 1.0])


# --- several seeds ------------------------------------------------------------------------------------


@given(answers_of_seeds())
def test_an_interval_holds_its_accuracy_or_difference_and_nothing_impossible_and_is_no_point(arms):
    after, before = arms
    for lowest, (low, high), value in (
        (0.0, accuracy_interval(after), after.mean()),
        (-1.0, difference_interval(after, before), after.mean() - before.mean()),
    ):
        assert lowest <= low <= value + 1e-12 and value - 1e-12 <= high <= 1.0
        assert high - low > 0.01


@given(answers_of_seeds())
def test_wrong_answers_have_the_mirrored_interval_and_swapped_arms_the_negative_one(arms):
    after, before = arms
    low, high = accuracy_interval(after)
    assert accuracy_interval(~after) == pytest.approx((1 - high, 1 - low))
    low, high = difference_interval(after, before)
    assert difference_interval(before, after) == pytest.approx((-high, -low))


@given(answers_of_seeds(most_seeds=1))
def test_one_seed_has_the_interval_of_one_model(arms):
    after, before = arms
    assert accuracy_interval(after) == accuracy_interval(after[0])
    assert difference_interval(after, before) == difference_interval(after[0], before[0])


def test_the_interval_of_two_seeds_by_hand():
    # One is right on 51 of 100 questions and the other on the first 49 of them; 104 with the added ones.
    # Mean 0.5, mean squares: seeds 208 / 104^2 = 0.01923, questions 51 / 103 = 0.49515,
    # rest (52 - 0.01923 - 51) / 103 = 0.00952. Variance (0.01923 + 0.49515 - 0.00952) / 208 = 0.0024272,
    # degrees 0.50485^2 / (0.01923^2 / 1 + 0.49515^2 / 103 + 0.00952^2 / 103) = 92.65.
    right = np.stack([answers_of(51, 100), answers_of(49, 100)])
    half = 1.98592 * math.sqrt(0.0024272)
    assert accuracy_interval(right) == pytest.approx((0.5 - half, 0.5 + half), abs=2e-5)


def test_seeds_that_are_equally_right_leave_the_interval_of_the_questions():
    right = np.stack([answers_of(50, 100), np.roll(answers_of(50, 100), 1)])
    of_questions = np.concatenate([right.mean(axis=0), [1, 1, 0, 0]])
    expected = stats.t.interval(0.95, 103, of_questions.mean(), stats.sem(of_questions))
    assert accuracy_interval(right) == pytest.approx(expected, abs=1e-5)


def test_seeds_that_answer_alike_know_no_more_than_their_questions():
    alike = np.tile(answers_of(100, 100), (3, 1))
    low, high = accuracy_interval(alike)
    assert (low, high) == pytest.approx(accuracy_interval(alike[0]), abs=0.01) and high == 1.0
    assert difference_interval(alike, alike) == pytest.approx(
        difference_interval(alike[0], alike[0]), abs=1e-3
    )


def test_seeds_that_differ_make_the_interval_wider():
    rng = np.random.default_rng(0)
    alike = np.tile(rng.random(300) < 0.5, (4, 1))
    apart = np.stack([rng.random(300) < p for p in (0.2, 0.4, 0.6, 0.8)])
    widths = [high - low for low, high in map(accuracy_interval, (alike, apart))]
    # of the seeds alone: std (0.2, .4, .6, .8) / sqrt(4) = 0.13, times 3.18 for three degrees, twice
    assert widths[0] < 0.14 and 0.75 < widths[1] < 0.9


# Where seeds differ much (6 points and 9) and questions are many, so that the seeds decide.
THREE_SEEDS = {
    "accuracy": coverage.World(seeds=3, question_count=200, accuracy=0.8, seed_effect=0.4, paired=False),
    "difference": coverage.World(seeds=3, question_count=200, accuracy=0.5, seed_effect=0.4, paired=True),
}
DATASETS = 2000
ERROR = 2 * math.sqrt(0.93 * 0.07 / DATASETS)  # two standard errors of a measured 0.93: 0.011


@pytest.mark.parametrize("kind", THREE_SEEDS)
def test_the_intervals_of_three_seeds_cover_93_to_97_percent_and_the_bootstrap_did_not(kind):
    rng = np.random.default_rng(0)
    row = coverage.measure(THREE_SEEDS[kind], DATASETS, resamples=200, rng=rng)
    assert 0.93 - ERROR <= row.new_coverage <= 0.97 + ERROR
    assert row.old_coverage < 0.93 - ERROR


def test_the_truth_of_the_measurement_of_coverage_is_the_mean_of_its_answers():
    world = coverage.World(seeds=200, question_count=20_000, accuracy=0.8, seed_effect=0.4, paired=True)
    (after, before), differences = coverage.draw(world, np.random.default_rng(0))
    assert (after.mean(), before.mean()) == pytest.approx((0.82, 0.78), abs=0.015)
    assert after.mean(axis=1) - before.mean(axis=1) == pytest.approx(differences, abs=0.02)


# --- tests of several seeds -----------------------------------------------------------------------------


@given(st.integers(1, 5), st.integers(2, 30), st.integers(0, 2**32 - 1))
def test_a_difference_is_significant_where_its_interval_leaves_out_zero(seeds, questions, seed):
    rng = np.random.default_rng(seed)
    after, before = rng.random((seeds, questions)) < rng.random(), rng.random((seeds, questions)) < 0.5
    if seeds == 1:
        assert difference_p_value(after, before) == mcnemar_p_value(after[0], before[0])
    else:
        low, high = difference_interval(after, before)
        assert (difference_p_value(after, before) < 0.05) == (low > 0 or high < 0)


def test_a_difference_that_seeds_make_is_not_significant_however_many_questions():
    after = np.array([[True] * 400, [False] * 400, [True] * 400])
    before = np.array([[False] * 400, [True] * 400, [False] * 400])
    assert difference_p_value(after, before) > 0.5
    assert difference_p_value(after | ~after, before & ~before) < 1e-6


@pytest.mark.parametrize("seeds", [3, 5])
def test_arms_that_do_not_differ_are_seldom_told_apart(seeds, monkeypatch):
    """The size of the test, where seeds differ much."""
    monkeypatch.setattr(coverage, "GAP", 0.0)
    world = coverage.World(seeds=seeds, question_count=100, accuracy=0.8, seed_effect=0.4, paired=True)
    rng = np.random.default_rng(0)
    drawn = [coverage.draw(world, rng)[0] for _ in range(300)]
    assert np.mean([difference_p_value(after, before) < 0.05 for after, before in drawn]) < 0.07


def test_no_answer_that_differs_is_no_difference():
    right = np.ones((3, 8), dtype=bool)
    assert difference_p_value(right, right) == pytest.approx(1.0)


def test_holm_multiplies_the_smallest_by_their_number_and_never_falls():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_what_a_seed_does_to_all_arms_alike_is_no_noise():
    arms, seeds = np.array([[0.5], [0.6], [0.7]]), np.array([0.0, 0.1, -0.2])
    assert seed_noise(arms + seeds) == pytest.approx(0.0, abs=1e-12)


def test_the_noise_of_seeds_by_hand():
    # residuals +-0.01, sum of squares 4e-4, one degree of freedom, t = 12.706, times sqrt(2 / 2)
    assert seed_noise([[0.50, 0.54], [0.62, 0.62]]) == pytest.approx(12.706 * 0.02, rel=1e-4)


@pytest.mark.parametrize("accuracies", [[[0.5, 0.6]], [[0.5], [0.6]]])
def test_one_arm_or_one_seed_says_nothing_about_the_noise(accuracies):
    assert seed_noise(accuracies) is None


def test_the_interval_of_grades_is_that_of_students_t():
    low, high = mean_interval([0.2, 0.4, 0.6, 0.8])  # mean 0.5, standard error 0.1291, t of 3 degrees 3.1824
    assert (low, high) == pytest.approx((0.5 - 3.1824 * 0.12910, 0.5 + 3.1824 * 0.12910), abs=1e-4)
    assert mean_interval([0.3]) == (0.3, 0.3)
    with pytest.raises(ValueError, match="found none"):
        mean_interval([])


def test_the_difference_of_grades_is_tested_by_students_t_on_pairs():
    after, before = [0.5, 1.0, 0.75, 0.25], [0.25, 0.25, 0.75, 0.25]
    interval, p_value = grade_difference(after, before)
    expected = stats.ttest_rel(after, before)
    assert interval == pytest.approx(expected.confidence_interval(0.95))
    assert p_value == pytest.approx(expected.pvalue)


def test_equal_differences_of_grades_have_no_width_and_no_p_value():
    assert grade_difference([0.75, 0.75], [0.5, 0.5]) == ((0.25, 0.25), None)
    assert grade_difference([0.75], [0.5]) == ((0.25, 0.25), None)
    interval, p_value = grade_difference([0.3, 0.4, 0.5, 0.9], [0.1, 0.2, 0.3, 0.7])  # but for rounding
    assert interval == pytest.approx((0.2, 0.2)) and p_value is None
    assert interval.low == interval.high
    with pytest.raises(ValueError, match="grades"):
        grade_difference([0.5], [0.5, 0.5])
