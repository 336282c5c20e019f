"""Letters and numbers in front of an option or behind it."""

import pytest

from rlaudio.answers.labels import bare_label, explained, label_before, label_behind


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        *(("B", "B"), ("(b)", "b"), ("option B", "B"), ("optionB", "B"), ("choice 2", "2"), ("B.", "B")),
        *(
            ("the second option", "2"),
            ("option three", "3"),
            ("第二个选项", "2"),
            ("the 3rd one", "3"),
            ("选项C", "C"),
        ),
        *(("options", None), ("2", None), ("BC", None), ("a dog", None), ("", None)),
    ],
)
def test_a_text_that_is_a_label_and_nothing_more(text, mark):
    label = bare_label(text)
    assert (label and label.mark) == mark


@pytest.mark.parametrize(
    ("text", "mark", "rest", "certain"),
    [
        ("(B) a cat", "B", "a cat", True),
        ("B: a cat", "B", "a cat", True),
        ("a dog", "a", "dog", False),  # an article looks the same
        ("B, C", "B", "C", False),
        ("option A cat", "A", "cat", False),
        ("2.5 s", None, None, None),
        ("cat", None, None, None),
    ],
)
def test_the_label_with_which_a_text_begins(text, mark, rest, certain):
    label = label_before(text)
    assert (label and (label.mark, label.text, label.certain)) == (mark and (mark, rest, certain))


@pytest.mark.parametrize(
    ("text", "mark", "rest"),
    [
        ("a cat (B)", "B", "a cat"),
        ("a cat, option B", "B", "a cat"),
        ("a cat - B", "B", "a cat"),
        ("a cat", None, None),
    ],
)
def test_the_label_with_which_a_text_ends(text, mark, rest):
    label = label_behind(text)
    assert (label and (label.mark, label.text.strip(" -"))) == (mark and (mark, rest))


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("B: it meows", "B"),
        ("(B) because it meows", "B"),
        ("B) is wrong", None),
        ("B, which is out", None),
        ("1. It meows. So it is a cat.", None),  # a step of a thought
        ("option B: it meows", None),
    ],
)
def test_a_label_is_explained_by_words_that_are_not_said_of_it(text, mark):
    label = explained(text)
    assert (label and label.mark) == mark
