"""Options by spelling and by letter."""

import pytest

from rlaudio.answers import Parsed
from rlaudio.answers.options import options_of
from rlaudio.answers.parsed import NONE, SEVERAL


def spelled(text, *choices):
    return options_of(choices).spelled(text, numbers=True)


def test_the_strictest_spelling_decides_between_options_that_a_generous_one_merges():
    assert spelled("the dog", "dog", "the dog") == Parsed("normalised", 1)
    assert spelled("3.0", "3", "3.0") == Parsed("normalised", 1)


def test_a_spelling_that_options_share_names_none_of_them():
    assert spelled("a dog!", "the dog", "dog?", "dog") == SEVERAL
    assert spelled("3.00", "3", "3.0") == SEVERAL


@pytest.mark.parametrize(("text", "choice"), [("minor", "A minor"), ("b", "a b"), ("an", "the an")])
def test_a_letter_in_front_is_not_always_an_article(text, choice):
    assert spelled(text, choice, "x") == NONE


def test_an_empty_option_is_never_spelled():
    assert spelled("", "", "a dog") == NONE


def test_letters_stand_for_positions():
    options = options_of(tuple(f"option {n}" for n in range(30)))
    assert (options.lettered("a"), options.lettered("Z"), options.lettered("30")) == (0, 25, 29)
    assert (options.lettered("0"), options.lettered("31")) == (None, None)


def test_letters_that_options_carry_stay_with_them_in_any_order():
    options = options_of(("B. two dogs", "A. a dog"))
    assert (options.lettered("A"), options.lettered("B"), options.lettered("C")) == (1, 0, None)
    assert options.spelled("two dogs", numbers=True) == Parsed("normalised", 0)


def test_an_option_may_go_on_where_another_begins_like_it():
    options = options_of(("happy", "happy and calm", "sad"))
    assert [options.goes_on(index, "") for index in range(3)] == [True, False, False]
