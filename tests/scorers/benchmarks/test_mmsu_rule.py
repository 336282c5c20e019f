"""MMSU's rule: letters in two places, rows that are dropped, and a second writing of it in other words."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlaudio.scorers.benchmarks.mmsu_rule import mmsu_rule
from rlaudio.types import Verdict
from tests.factories import make_question
from tests.scorers.made_up import ANY_TEXT, ODD_QUESTIONS, QUESTIONS, answers

SOUNDS = make_question(choices=("a dog", "a cat", "a cow", "a bird"), answer="a cat")  # B


def official(question, text):
    """Whether the answer is right, or None where the row is dropped."""
    answer = "".join(text.strip().split("\n"))
    if len(answer) == 0 or answer == "None":
        return False
    places = [answer[:1]]
    if len(answer) >= 2:
        places.append(answer[len(answer) - 2])
    for place in places:
        for letter, key in (("A", 0), ("B", 1), ("C", 2), ("D", 3)):
            if place == letter:
                return (question.choices[key] if key < len(question.choices) else "") == question.answer
    return None


def said(question, text):
    verdict = mmsu_rule(question, text)
    return verdict.right if verdict.counted else None


def test_it_agrees_with_a_second_writing_on_20_000_made_up_answers():
    agreed = []
    for question, text in answers(20_000):
        agreed.append(said(question, text))
        assert agreed[-1] == official(question, text), (question.id, text)
    assert min(agreed.count(True), agreed.count(False), agreed.count(None)) > 1_000


@given(ODD_QUESTIONS, ANY_TEXT | st.text(alphabet="ABCDEab .\n)N", max_size=6))
def test_it_agrees_with_a_second_writing_on_any_text(question, text):
    assert said(question, text) == official(question, text)


@pytest.mark.parametrize(
    "text",
    ["B", " B\n", "B.", "B. a cat", "B) a cow", "(B)", "xB.", "Because it barks", "Both", "The answer is B."],
)
def test_these_are_right_for_b(text):
    assert mmsu_rule(SOUNDS, text) == Verdict(True, 1, "letter")


@pytest.mark.parametrize(
    "text",
    [*("b", "dog", "a cat", "**B**", "The answer is B", "<answer>B</answer>", "E", "7"), "I hear a cat", "?"],
)
def test_these_are_dropped(text):
    assert mmsu_rule(SOUNDS, text) == Verdict(False, None, "none", "no letter", counted=False)


@pytest.mark.parametrize(("text", "read"), [("Answer: B", 0), ("A dog", 0), ("C", 2), ("Definitely B", 3)])
def test_these_are_wrong_for_b(text, read):
    assert mmsu_rule(SOUNDS, text) == Verdict(False, read, "letter")


@pytest.mark.parametrize("text", ["", " \n ", "None", " None\n", "No\nne"])
def test_an_empty_answer_and_none_are_wrong_and_counted(text):
    assert mmsu_rule(SOUNDS, text) == Verdict(False, None, "none", "no answer")


def test_line_breaks_are_removed_before_the_letter_is_looked_for():
    assert mmsu_rule(SOUNDS, "The answer is B\n.").read == 1


def test_a_later_option_that_repeats_the_right_one_is_right():
    question = make_question(choices=("a cat", "a cow", "a bird", "a cat"), answer="a cat")
    assert mmsu_rule(question, "D") == Verdict(True, 3, "letter")


def test_the_text_of_the_option_must_equal_the_answer_to_the_last_space():
    question = make_question(choices=("A cat", "a cat ", "a cat"), answer="a cat")
    assert [mmsu_rule(question, letter).right for letter in "ABC"] == [False, False, True]


def test_the_letter_of_an_option_that_the_row_does_not_have_is_wrong_and_counted():
    assert mmsu_rule(QUESTIONS["two options"], "D") == Verdict(False, None, "letter", "no option")


def test_of_more_than_four_options_only_the_first_four_can_be_named():
    assert mmsu_rule(QUESTIONS["eight options"], "F") == Verdict(
        False, None, "none", "no letter", counted=False
    )


@given(
    ODD_QUESTIONS, st.sampled_from("ABCD"), st.text(alphabet=string.ascii_lowercase + " .<>/", max_size=20)
)
def test_whatever_follows_the_first_letter_does_not_matter(question, letter, rest):
    assert mmsu_rule(question, letter + rest) == mmsu_rule(question, letter)
