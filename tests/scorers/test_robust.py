"""The robust rule: what counts as the gold option, and what never does."""

import pytest
from hypothesis import given

from rlaudio.scorers.robust import robust
from rlaudio.types import Verdict
from tests.answers.texts import ANIMALS, TEXTS
from tests.factories import make_question

CAT = make_question(choices=ANIMALS, answer="a cat")


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("<answer>a cat</answer>", Verdict(True, 1, "exact")),
        ("The answer is 'A cat'.", Verdict(True, 1, "normalised")),
        ("(B) a cat", Verdict(True, 1, "letter")),
        ("a cow", Verdict(False, 2, "exact")),
        ("(A) a cat", Verdict(False, None, "ambiguous", "contradiction")),
        ("<answer>a cat", Verdict(False, None, "none", "unfinished")),
        ("", Verdict(False, None, "none", "no answer")),
        ("I cannot tell", Verdict(False, None, "none", "no option")),
    ],
)
def test_the_verdict_says_what_was_read_and_how_or_why_nothing_was(text, verdict):
    assert robust(CAT, text) == verdict


@given(TEXTS)
def test_it_is_right_only_when_it_reads_the_gold_option(text):
    verdict = robust(CAT, text)
    assert verdict.right == (verdict.read == 1)


def test_letters_and_numbers_count_only_if_asked_for():
    claps = make_question(choices=("three", "two"))
    assert not robust(claps, "A").right and robust(claps, "A", letters=True).right
    assert not robust(claps, "3").right and robust(claps, "3", numbers=True).right


def test_every_option_that_is_spelled_like_the_gold_one_is_right():
    question = make_question(choices=("A dog.", "a cat", "a  dog"), answer="A dog.")
    assert robust(question, "a  dog").right
    assert not robust(question, "a cat").right


@pytest.mark.parametrize("answer", ANIMALS)
def test_an_unparsed_answer_is_wrong_whatever_the_gold(answer):
    verdict = robust(make_question(choices=ANIMALS, answer=answer), "I cannot tell")
    assert not verdict.right and verdict.unparsed


def test_a_mention_in_a_sentence_never_counts():
    assert not robust(CAT, "I hear a cat").right
