"""The rule of DCASE 2026 Task 5: which option a text leads to, and a second writing of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlaudio.scorers.benchmarks.dcase2026_rule import dcase2026_rule
from rlaudio.types import Verdict
from tests.factories import make_question
from tests.scorers.made_up import ANY_TEXT, ODD_QUESTIONS, QUESTIONS, answers

SOUNDS = make_question(choices=("a dog", "a cat", "a cow", "a bird"), answer="a cat")


def same(text, other):
    return text.casefold().split() == other.casefold().split()


def label(text):
    """The letter of a label and what follows it, read character by character; None where there is none."""
    rest = text.strip()
    if rest[:1] in ("(", "["):
        rest = rest[1:].lstrip()
    letter, rest = rest[:1], rest[1:].lstrip()
    if letter not in [*"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"] or rest[:1] not in [*")].:-"]:
        return None
    body = rest[1:]
    return (letter.lower(), body.strip()) if body and body[0].isspace() else None


def official(question, text):
    """The text of the option that an answer leads to, or None."""
    choices, fitting_option = question.choices, None
    if not text.split():
        return None
    for choice in choices:
        if same(choice, text):
            fitting_option = choice
    if fitting_option is not None:
        return fitting_option
    if label(text):
        letter, body = label(text)
        for choice in choices:
            if same(choice, body):
                fitting_option = choice
        if fitting_option is None and "abcdefghijklmnopqrstuvwxyz".index(letter) < len(choices):
            fitting_option = choices["abcdefghijklmnopqrstuvwxyz".index(letter)]
        if fitting_option is not None:
            return fitting_option
    spaced = " ".join(text.casefold().split())
    for inside in (lambda option: option and option in spaced, lambda option: spaced in option):
        fitting = [choice for choice in choices if inside(" ".join(choice.casefold().split()))]
        if len(fitting) == 1:
            return fitting[0]
    return None


def test_it_agrees_with_a_second_writing_on_20_000_made_up_answers():
    agreed = []
    for question, text in answers(20_000):
        agreed.append(dcase2026_rule(question, text).right)
        assert agreed[-1] == (official(question, text) == question.answer), (question.id, text)
    assert 2_000 < sum(agreed) < 18_000


@given(ODD_QUESTIONS, ANY_TEXT | st.text(alphabet="([aBe)].:- \nx", max_size=8))
def test_it_agrees_with_a_second_writing_on_any_text(question, text):
    verdict = dcase2026_rule(question, text)
    assert (None if verdict.read is None else question.choices[verdict.read]) == official(question, text)
    assert verdict.right == (official(question, text) == question.answer) and verdict.counted


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("A  CAT\n", Verdict(True, 1, "equal")),
        ("b) a cat", Verdict(True, 1, "labelled")),
        ("(A) a cat", Verdict(True, 1, "labelled")),  # the text goes before the letter
        ("B. the second", Verdict(True, 1, "letter")),
        ("[ b ] it purrs", Verdict(True, 1, "letter")),
        ("[b]- it purrs", Verdict(False, None, "none", "no option")),  # one sign, not two
        ("I hear a cat.", Verdict(True, 1, "holds")),
        ("It is not a cat", Verdict(True, 1, "holds")),  # so is a rejected option
        ("a category", Verdict(True, 1, "holds")),  # and a part of a word
        ("<answer>a cat</answer>", Verdict(True, 1, "holds")),
        ("cat", Verdict(True, 1, "held")),
        ("a ca", Verdict(True, 1, "held")),
        ("A. I hear a cat", Verdict(False, 0, "letter")),  # the letter goes before a mention
        ("a - well, a cat", Verdict(False, 0, "letter")),
        ("B", Verdict(False, 3, "held")),  # in "a bird" alone
        ("D)", Verdict(False, None, "none", "no option")),  # nothing follows the label
        ("b)a cat", Verdict(True, 1, "holds")),
        ("E. a cat", Verdict(True, 1, "labelled")),
        ("E. I hear a cat", Verdict(True, 1, "holds")),  # there is no fifth option
        ("a cat or a dog", Verdict(False, None, "none", "no option")),
        ("a", Verdict(False, None, "none", "no option")),  # in every option
        ("", Verdict(False, None, "none", "no answer")),
        (" \n", Verdict(False, None, "none", "no answer")),
    ],
)
def test_it_keeps_the_odd_cases_of_the_rule(text, verdict):
    assert dcase2026_rule(SOUNDS, text) == verdict


@pytest.mark.parametrize(
    ("odd", "text", "right"),
    [
        ("the right option twice", "wind", True),
        ("the right option twice", "the wind blows", False),  # two options are held
        ("equal options", "wind", False),
        ("the right option is inside a wrong one", "happy", True),
        ("the right option is inside a wrong one", "it is happy and calm", False),
        ("options that differ in case", "C", True),
        ("options that differ in case", "It is in C", False),
        ("spaces around options", "bass", True),
        ("the empty option is right", "", False),
        ("labelled options", "B. 2", True),
        ("labelled options", "2", True),  # in "B. 2" alone
        ("labelled options", "B. two", True),
        ("the answer is no option", "left", False),  # the option must equal the answer
        ("one option", "no idea", False),
    ],
)
def test_it_reads_the_odd_questions_by_the_same_rule(odd, text, right):
    assert dcase2026_rule(QUESTIONS[odd], text).right is right


def test_of_options_that_differ_in_case_the_last_is_read():
    question = make_question(choices=("C", "c", "D", "E"), answer="C")
    assert dcase2026_rule(question, "C") == Verdict(False, 1, "equal")


@given(ODD_QUESTIONS, st.data())
def test_naming_all_options_is_right_only_where_one_alone_is_held(question, data):
    text = "; ".join(data.draw(st.permutations(question.choices)))
    assert dcase2026_rule(question, text).right <= (official(question, text) == question.answer)


@given(ANY_TEXT)
def test_case_does_not_matter(text):
    if text.upper().casefold() == text.casefold():
        assert dcase2026_rule(SOUNDS, text.upper()).read == dcase2026_rule(SOUNDS, text).read
