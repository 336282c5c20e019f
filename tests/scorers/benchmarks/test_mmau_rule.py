"""The rule of MMAU and MMAR: its odd cases, and a second writing of it without sets and patterns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlaudio.scorers.benchmarks.mmau_rule import mmau_rule
from rlaudio.types import Verdict
from tests.factories import make_question
from tests.scorers.made_up import ANY_TEXT, ODD_QUESTIONS, QUESTIONS, answers


def words(text):
    """Runs of letters, digits and underscores in lower case, one character after the other."""
    runs, run = [], ""
    for character in text.lower() + " ":
        if character.isalnum() or character == "_":
            run += character
        elif run:
            runs.append(run)
            run = ""
    return runs


def official(question, text):
    """The rule from its description, word by word."""
    said, gold = words(text), words(question.answer)
    if not said:
        return False
    for word in gold:
        if word not in said:
            return False
    for choice in question.choices:
        if sorted(set(words(choice))) == sorted(set(gold)):
            continue
        for word in words(choice):
            if word not in gold and word in said:
                return False
    return True


def test_it_agrees_with_a_second_writing_on_20_000_made_up_answers():
    agreed = []
    for question, text in answers(20_000):
        agreed.append(mmau_rule(question, text).right)
        assert agreed[-1] == official(question, text), (question.id, text)
    assert 2_000 < sum(agreed) < 18_000


@given(ODD_QUESTIONS, ANY_TEXT)
def test_it_agrees_with_a_second_writing_on_any_text(question, text):
    assert mmau_rule(question, text).right == official(question, text)


@pytest.mark.parametrize(
    ("odd", "text", "right"),
    [
        ("nothing", "A CAT", True),
        ("nothing", "cat a", True),  # order does not matter
        ("nothing", "<think>hm</think><answer>a cat</answer>", True),
        ("nothing", "the cat", False),  # without the article
        ("nothing", "not a cat", True),
        ("nothing", "a cat, not a dog", False),
        ("nothing", "B", False),
        ("nothing", "", False),
        ("nothing", "?!", False),
        ("the right option twice", "wind", True),
        ("equal options", "wind", False),
        ("an empty option", "no", True),
        ("the empty option is right", "I cannot tell", True),  # it has no word that could be missing
        ("the empty option is right", "yes", False),
        ("spaces around options", "bass", True),
        ("different options of the same words", "man then woman", True),  # a wrong option passes
        ("different options of the same words", "the man, then the woman", True),
        ("letters as options", "A", True),
        ("letters as options", "A or B", False),
        ("an option is the beginning of another", "Dog barks", True),
        ("an option is the beginning of another", "Dog barks twice", False),
        ("the right option is inside a wrong one", "unhappy", False),
        ("the right option is inside a wrong one", "happy and calm", False),
        ("a wrong option is inside the right one", "major C", True),
        ("None and numbers", "none", True),
        ("other scripts and quotes", "L'ÉTÉ", True),
        ("options that differ in case", "c", True),
        ("two options", "No.", True),
        ("eight options", "6 claps", True),
        ("eight options", "six claps", False),
        ("the answer is no option", "left", True),
    ],
)
def test_it_keeps_the_odd_cases_of_the_official_rule(odd, text, right):
    assert mmau_rule(QUESTIONS[odd], text).right is right


def test_the_answer_is_is_rejected_where_an_option_has_one_of_these_words():
    question = make_question(choices=("The sea", "Rain", "Wind is"), answer="Rain")
    assert mmau_rule(question, "Rain").right and not mmau_rule(question, "The answer is Rain.").right


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("A cat!", Verdict(True, 1, "words")),
        ("a cow", Verdict(False, 2, "words")),
        ("a cow or a cat", Verdict(False, None, "none", "no option's words alone")),
        (" ", Verdict(False, None, "none", "no answer")),
    ],
)
def test_the_verdict_names_the_option_that_was_read_or_why_there_is_none(text, verdict):
    assert mmau_rule(QUESTIONS["nothing"], text) == verdict


@given(ODD_QUESTIONS, ANY_TEXT, st.data())
def test_case_and_the_order_of_words_and_of_options_do_not_matter(question, text, data):
    mixed = " ".join(data.draw(st.permutations(words(text)))).upper()
    moved = question.rotated(data.draw(st.integers(0, len(question.choices) - 1)))
    if sorted(words(mixed)) == sorted(words(text)):  # "ß" in capitals is another word
        assert mmau_rule(moved, mixed).right == mmau_rule(question, text).right


@given(ODD_QUESTIONS)
def test_all_options_together_are_right_only_where_no_wrong_one_has_a_word_of_its_own(question):
    gold = set(words(question.answer))
    assert mmau_rule(question, " ".join(question.choices)).right == all(
        set(words(choice)) <= gold for choice in question.choices
    )
