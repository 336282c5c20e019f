"""The vote on audio contribution: its arithmetic by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlaudio.contribution.voting import (
    OrderGain,
    Votes,
    chance_floor,
    cohen_kappa,
    fleiss_kappa,
    flip_rate,
    is_weak,
    leave_one_out_variants,
    luck_ceiling,
    quality,
    threshold_variants,
    without_luck,
)
from tests.contribution.ballots import bools, votes_of


def test_an_item_is_weak_if_at_least_two_of_three_voters_are_right():
    right = bools("1110 1100 1000")
    np.testing.assert_array_equal(is_weak(right, 2), [True, True, False, False])


@pytest.mark.parametrize("threshold", [0, 4])
def test_a_threshold_that_cannot_decide_is_refused(threshold):
    with pytest.raises(ValueError, match="expected 1 to 3"):
        is_weak(bools("11 10 00"), threshold)


def test_a_voter_is_right_if_it_is_right_under_more_than_half_of_the_orders():
    votes = Votes(("a",), np.array([[1.0, 0.75, 0.5, 0.25]]), np.ones((1, 4), dtype=bool))
    np.testing.assert_array_equal(votes.right, [[True, True, False, False]])


def test_the_contribution_score_is_one_minus_the_success_in_silence():
    votes = Votes(("a", "b"), np.array([[1.0, 0.5], [1.0, 0.0]]), np.ones((2, 2), dtype=bool))
    np.testing.assert_array_equal(votes.contribution_score, [0.0, 0.75])


def test_two_of_three_guessers_over_four_options_are_right_in_15_6_percent():
    assert chance_floor([4], voters=3, threshold=2) == pytest.approx(3 / 16 * 3 / 4 + 1 / 64)  # 0.15625


def test_the_chance_floor_is_the_mean_over_items_of_different_numbers_of_options():
    # two options: 3 * 1/8 + 1/8 = 1/2
    assert chance_floor([4, 4, 2, 2], voters=3, threshold=2) == pytest.approx((0.15625 + 0.5) / 2)


def test_the_chance_floor_of_four_orders_counts_three_lucky_guesses():
    one_voter = 4 * (1 / 4) ** 3 * (3 / 4) + (1 / 4) ** 4
    expected = 3 * one_voter**2 * (1 - one_voter) + one_voter**3
    assert chance_floor([4], voters=3, threshold=2, orders=4) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("choices", "voters", "threshold", "orders"), [(4, 3, 2, 1), (3, 5, 2, 3), (2, 4, 3, 4)]
)
def test_the_chance_floor_agrees_with_letting_voters_guess(choices, voters, threshold, orders):
    rng = np.random.default_rng(0)
    guesses = rng.integers(0, choices, size=(100_000, voters, min(orders, choices)))
    right = (guesses == 0).mean(axis=2) > 0.5
    simulated = (right.sum(axis=1) >= threshold).mean()
    floor = chance_floor([choices], voters=voters, threshold=threshold, orders=orders)
    assert floor == pytest.approx(simulated, abs=0.005)


def test_luck_puts_the_ceiling_of_f1_near_093_at_an_even_split():
    assert luck_ceiling(0.5, 0.15625) == pytest.approx(1 / (1 + 0.15625 / 2))  # 0.9275


def test_the_weak_share_without_luck_matches_hand_numbers():
    # half is truly weak, and chance adds 0.15625 of the other half
    assert without_luck(0.5 + 0.5 * 0.15625, 0.15625) == pytest.approx(0.5)
    assert without_luck(0.1, 0.15625) == 0.0
    assert without_luck(1.0, 1.0) == 0.0


@given(st.integers(1, 50), st.integers(0, 50))
def test_the_luck_ceiling_is_the_f1_of_a_perfect_recall_with_lucky_extras(truly_weak, lucky):
    truth = np.array([True] * truly_weak + [False] * 50)
    weak = np.array([True] * (truly_weak + lucky) + [False] * (50 - lucky))
    ceiling = luck_ceiling(truth.mean(), lucky / 50)
    assert quality(weak, truth).f1 == pytest.approx(ceiling)


def test_precision_recall_and_f1_match_hand_numbers():
    result = quality(weak=bools("11100"), text_answerable=bools("11010"))
    assert (result.precision, result.recall, result.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))


def test_precision_of_no_weak_label_and_recall_of_no_weak_item_are_none():
    result = quality(weak=bools("00"), text_answerable=bools("00"))
    assert (result.precision, result.recall, result.f1) == (None, None, None)


def test_cohen_kappa_matches_hand_numbers():
    # both right 20, only one 5, only the other 10, both wrong 15 of 50: (0.7 - 0.5) / (1 - 0.5)
    first = bools("1" * 25 + "0" * 25)
    second = bools("1" * 20 + "0" * 5 + "1" * 10 + "0" * 15)
    assert cohen_kappa(first, second) == pytest.approx(0.4)


def test_kappa_of_voters_that_never_vary_is_none():
    assert cohen_kappa(bools("11"), bools("11")) is None
    assert fleiss_kappa(bools("11 11 11")) is None


def test_fleiss_kappa_matches_hand_numbers():
    # items with 3, 3, 1, 0 of 3 right: agreement (1 + 1 + 1/3 + 1) / 4 = 5/6, share right 7/12,
    # expected (7/12)^2 + (5/12)^2 = 74/144
    expected = (5 / 6 - 74 / 144) / (1 - 74 / 144)
    assert fleiss_kappa(bools("1110 1100 1100")) == pytest.approx(expected)


@given(st.integers(1, 9), st.integers(0, 9))
def test_fleiss_kappa_of_identical_voters_is_one(right, wrong):
    voter = [True] * right + [False] * (wrong + 1)
    assert fleiss_kappa(np.array([voter, voter, voter])) == pytest.approx(1.0)


def test_fleiss_kappa_of_independent_voters_is_near_zero():
    right = np.random.default_rng(0).random((3, 20_000)) < 0.4
    assert fleiss_kappa(right) == pytest.approx(0.0, abs=0.02)


def test_the_flip_rate_is_the_share_of_labels_that_differ():
    assert flip_rate(bools("1100"), bools("1010")) == 0.5


def test_every_threshold_is_compared_with_the_one_used():
    variants = threshold_variants(votes_of("1110 1100 1000"), threshold=2)
    assert [(v.threshold, v.weak, v.flip_rate) for v in variants] == [
        (1, 0.75, 0.25),
        (2, 0.5, 0.0),
        (3, 0.25, 0.25),
    ]


def test_leaving_a_voter_out_keeps_the_share_that_must_be_right():
    variants = leave_one_out_variants(votes_of("1110 1100 1000"), threshold=2)
    assert [(v.voters, v.threshold, v.weak, v.flip_rate) for v in variants] == [
        (("b", "c"), 2, 0.25, 0.25),
        (("a", "c"), 2, 0.25, 0.25),
        (("a", "b"), 2, 0.5, 0.0),
    ]


def test_a_single_voter_cannot_be_left_out():
    assert leave_one_out_variants(votes_of("10"), threshold=1) == []


def test_more_orders_gain_what_a_position_habit_cost():
    # the second item is strong; the gold stands first, where all voters look
    first_order = bools("11 11 11")
    success = np.array([[1.0, 0.25]] * 3)
    votes, truth = Votes(("a", "b", "c"), success, first_order), bools("10")
    gain = OrderGain(
        plain=quality(is_weak(votes.first_order, 2), truth).f1,
        debiased=quality(is_weak(votes.right, 2), truth).f1,
    )
    assert (gain.plain, gain.debiased) == (pytest.approx(2 / 3), 1.0)
    assert gain.gain == pytest.approx(1 / 3)
