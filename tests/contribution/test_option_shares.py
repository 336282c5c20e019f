"""From log-probs of options to answerability and contribution: hand numbers, properties, second ways."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rlaudio.contribution.option_shares import (
    AudioGain,
    OptionLogprobs,
    ShareEstimate,
    auc,
    best_threshold,
    calibration,
    mean_estimate,
)

OPTIONS = ("a dog", "a cat", "a cow", "a bird")


def measured(*shares, gold=0, options=OPTIONS, mass=1.0):
    """Options with these probabilities, a row for each order; together they have `mass` of all texts."""
    return OptionLogprobs(np.log(np.array(shares) * mass), options[: len(shares[0])], gold)


def answerability(unheard):
    return OptionLogprobs.answerability([unheard])


# --- answerability ----------------------------------------------------------------------------------


def test_answerability_is_the_mean_of_the_gold_options_share_over_orders():
    estimate = answerability(measured([0.7, 0.1, 0.1, 0.1], [0.5, 0.3, 0.1, 0.1]))
    assert estimate.value == pytest.approx(0.6)


def test_what_other_texts_are_likely_does_not_change_a_share():
    rows = [0.7, 0.1, 0.1, 0.1], [0.5, 0.3, 0.1, 0.1]
    rare, common = (answerability(measured(*rows, mass=mass)) for mass in (1e-9, 0.9))
    assert rare.value == pytest.approx(common.value)


def test_log_probs_that_no_float_holds_as_probabilities_have_shares():
    logprobs = np.array([[-2000.0, -2000.0 + math.log(3.0)]])
    assert OptionLogprobs(logprobs, ("x", "y"), 1).gold_shares == pytest.approx([0.75])


def test_the_interval_is_students_over_the_orders():
    values = np.array([0.2, 0.4, 0.3, 0.5])
    low, high = stats.t.interval(0.95, 3, loc=values.mean(), scale=stats.sem(values))
    assert ShareEstimate.over_orders(values, -1.0, 1.0).interval == pytest.approx((low, high))


def test_the_interval_ends_where_values_end():
    assert ShareEstimate.over_orders(np.array([0.9, 1.0]), 0.0, 1.0).interval[1] == 1.0


def test_a_single_order_has_no_interval():
    assert answerability(measured([0.4, 0.6])) == ShareEstimate(pytest.approx(0.4), None)


def test_a_preference_for_a_place_leaves_each_option_its_fair_share():
    # the option in the first place gets 0.7, whatever it is: over all cyclic orders every one is first once
    orders = [np.roll([0.7, 0.1, 0.1, 0.1], shift) for shift in range(4)]
    for gold in range(4):
        assert answerability(measured(*orders, gold=gold)).value == pytest.approx(0.25)


# --- equal options -----------------------------------------------------------------------------------


def test_options_with_the_text_of_the_gold_one_count_once_with_it():
    twice = measured([0.2, 0.2, 0.6], options=("a dog", "a dog", "a cat"))
    assert answerability(twice).value == pytest.approx(0.25)  # 0.2 of 0.2 + 0.6
    assert not twice.chosen_gold.any()


def test_the_same_text_in_two_unicode_spellings_is_one_option():
    twice = measured([0.4, 0.4, 0.2], options=("caf\u00e9", "cafe\u0301", "tea"))
    assert answerability(twice).value == pytest.approx(2 / 3)
    assert twice.chosen_gold.all()


def test_a_question_whose_options_are_all_alike_is_answered_by_text():
    alike = measured([0.3, 0.3], options=("a dog", "a dog"))
    assert answerability(alike).value == 1.0
    gain = AudioGain.of(alike, alike)
    assert (gain.probability.value, gain.margin) == (0.0, None)


# --- contribution -------------------------------------------------------------------------------------


def test_the_three_forms_of_contribution_match_hand_numbers():
    unheard = measured([0.25, 0.5, 0.25], mass=0.5)
    heard = measured([0.75, 0.125, 0.125], mass=0.8)
    gain = AudioGain.of(heard, unheard)
    assert gain.probability.value == pytest.approx(0.5)
    assert gain.heard == pytest.approx(0.75)
    assert gain.margin == pytest.approx(math.log(0.75 / 0.125) - math.log(0.25 / 0.5))
    assert gain.pmi == pytest.approx(math.log(0.75 * 0.8) - math.log(0.25 * 0.5))


def test_the_interval_of_a_gain_is_that_of_differences_under_the_same_order():
    # orders differ much, and the audio adds a tenth under each: the difference is sure
    unheard = measured([0.1, 0.9], [0.8, 0.2])
    heard = measured([0.2, 0.8], [0.9, 0.1])
    assert AudioGain.of(heard, unheard).probability.interval == pytest.approx((0.1, 0.1))


def test_a_model_that_hears_nothing_gains_nothing():
    same = measured([0.3, 0.7], [0.6, 0.4])
    gain = AudioGain.of(same, same)
    assert (gain.probability.value, gain.margin, gain.pmi) == (0.0, 0.0, 0.0)


def test_voters_are_averaged_within_an_order_before_the_interval_is_taken():
    # one voter's habit is the other's opposite: their mean is the same under both orders
    estimate = mean_estimate([np.array([0.2, 0.6]), np.array([0.6, 0.2])], 0.0, 1.0)
    assert estimate == ShareEstimate(pytest.approx(0.4), pytest.approx((0.4, 0.4)))


@given(st.lists(st.floats(-30, 0), min_size=8, max_size=8))
def test_shares_of_all_options_sum_to_one(logprobs):
    table = np.array(logprobs).reshape(2, 4)
    shares = [OptionLogprobs(table, OPTIONS, gold).gold_shares for gold in range(4)]
    np.testing.assert_allclose(np.sum(shares, axis=0), 1.0)


# --- against the truth ----------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30).filter(
        lambda items: len({positive for _, positive in items}) == 2
    )
)
def test_the_area_under_the_curve_is_the_share_of_pairs_in_the_right_order(items):
    scores, positive = np.array([s for s, _ in items]), np.array([p for _, p in items])
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in scores[positive] for b in scores[~positive]]
    assert auc(scores, positive) == pytest.approx(np.mean(pairs))


def test_items_of_one_kind_have_no_area_under_the_curve():
    assert auc(np.array([0.1, 0.2]), np.array([True, True])) is None


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=20))
def test_the_fitted_threshold_is_as_good_as_any_other(items):
    scores, positive = np.array([s / 6 for s, _ in items]), np.array([p for _, p in items])
    if not positive.any():
        return

    def f1(threshold):
        labelled = scores >= threshold
        return 2 * (labelled & positive).sum() / (labelled.sum() + positive.sum())

    assert f1(best_threshold(scores, positive)) == pytest.approx(max(map(f1, scores)))


def test_calibration_says_what_happened_to_items_of_about_the_same_probability():
    bins = calibration(np.array([0.05, 0.15, 0.18, 1.0]), np.array([False, True, False, True]))
    assert [(b.low, b.question_count, b.predicted, b.observed) for b in bins] == [
        (0.0, 1, 0.05, 0.0),
        (0.1, 2, pytest.approx(0.165), 0.5),
        (0.9, 1, 1.0, 1.0),
    ]
