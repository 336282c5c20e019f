"""What answering without listening would score."""

import pytest

from rlaudio.evaluation.baselines import baselines, position_histogram, right_share
from tests.factories import make_question


def test_guessing_is_right_with_every_option_that_equals_the_gold():
    twice = make_question(choices=("a", "b", "a"), answer="a")
    assert baselines([twice]).chance == pytest.approx(2 / 3)


def test_baselines_match_hand_numbers():
    actual = baselines(
        [
            make_question(choices=("yes", "no"), answer="yes"),
            make_question(choices=("a", "bb", "ccc", "dddd"), answer="dddd"),
            make_question(choices=("aa", "bb", "c", "d"), answer="bb"),  # one of two longest
        ]
    )
    assert actual.chance == pytest.approx((1 / 2 + 1 / 4 + 1 / 4) / 3)
    assert actual.always_first == pytest.approx(1 / 3)
    assert actual.longest_option == pytest.approx((1 + 1 + 1 / 2) / 3)
    assert actual.gold_positions == (1, 1, 0, 1)


def test_baselines_of_no_questions_are_refused():
    with pytest.raises(ValueError, match="at least one question"):
        baselines([])


def test_the_position_histogram_of_nothing_is_empty():
    assert position_histogram([]) == ()


def test_guessing_is_never_right_without_options():
    assert right_share((), "a dog") == 0.0
    assert right_share(("a dog", "a cat", "a dog"), "a dog") == 2 / 3
