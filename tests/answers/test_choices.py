"""Choices by spelling and by letter."""

import pytest

from rlaudio.answers import Parsed
from rlaudio.answers.choices import choices_of
from rlaudio.answers.parsed import NONE, SEVERAL


def spelled(text, *choices):
    return choices_of(choices).spelled(text, numbers=True)


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


@pytest.mark.parametrize("text", ["None of these", "none", "neither", "none of the options"])
def test_none_of_two_options_is_named_in_other_words(text):
    assert spelled(text, "piano", "violin", "None of the above") == Parsed("normalised", 2)


@pytest.mark.parametrize(
    ("text", "choices"),
    [
        ("None of these", ("0", "1", "None")),  # here "None" answers how many
        ("neither", ("piano", "violin", "flute", "None of the above")),
        ("none of them", ("None of the above", "None of these", "piano")),
    ],
)
def test_none_of_the_options_is_read_only_where_it_means_one_of_them(text, choices):
    assert spelled(text, *choices) in (NONE, SEVERAL)


def test_only_one_thing_is_the_option_that_says_so():
    assert spelled("just the piano", "Piano", "Piano only") == Parsed("normalised", 1)
    assert spelled("piano and nothing else", "Piano only", "Both") == Parsed("normalised", 0)


def test_letters_stand_for_positions():
    choices = choices_of(tuple(f"option {n}" for n in range(30)))
    assert (choices.lettered("a"), choices.lettered("Z"), choices.lettered("30")) == (0, 25, 29)
    assert (choices.lettered("0"), choices.lettered("31")) == (None, None)


def test_letters_that_options_carry_stay_with_them_in_any_order():
    choices = choices_of(("B. two dogs", "A. a dog"))
    assert (choices.lettered("A"), choices.lettered("B"), choices.lettered("C")) == (1, 0, None)
    assert choices.spelled("two dogs", numbers=True) == Parsed("normalised", 0)


def test_an_option_may_go_on_where_another_begins_like_it():
    choices = choices_of(("happy", "happy and calm", "sad"))
    assert [choices.goes_on(index, "") for index in range(3)] == [True, False, False]


def test_comparisons_are_read_with_and_without_spaces():
    assert spelled("x<5", "x > 5", "x < 5") == Parsed("normalised", 1)
    assert spelled("x<5", "x < 5", "x  <5", "x>5") == SEVERAL
