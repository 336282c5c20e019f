"""Options inside running text, as whole words."""

import pytest

from rlaudio.answers.mentions import mentions


@pytest.mark.parametrize(
    ("text", "choices", "named"),
    [
        ("it is a dog", ("a dog", "a cat"), {0}),
        ("a hotdog", ("dog", "cat"), set()),
        ("happy and calm", ("happy", "happy and calm"), {1}),  # the longest takes its words away
        ("happy and calm, or happy", ("happy", "happy and calm"), {0, 1}),
        ("a thing", ("a", "b"), set()),  # an article
        ("it is 5", ("5", "15"), {0}),
        ("it is 15", ("5", "15"), {1}),
        ("1.5 seconds", ("5 seconds", "1.5 seconds"), {1}),
        ("1.5 seconds", ("5 seconds",), set()),
        ("in c# minor", ("c#", "c# minor"), {1}),
        ("in c# now", ("c", "c#"), {1}),
        ("well-known song", ("known", "song"), {1}),
        ("听到狗叫声", ("狗", "猫"), {0}),  # no spaces between words
        ("a dog.", ("", "dog"), {1}),
    ],
)
def test_choices_are_found_as_whole_words_the_longest_first(text, choices, named):
    assert mentions(text, choices)[0] == named


def test_what_is_left_has_a_mark_in_place_of_each():
    assert mentions("not a dog but a cat", ("a cat", "a dog")) == ({0, 1}, "not □ but □")
