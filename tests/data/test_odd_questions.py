"""What is odd about a question that can be used: options, no clip, arguments of a rule."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rlaudio.data.odd_questions import NO_CLIP, WRONG_ARGUMENTS, odd_options, oddities
from rlaudio.scorers.cannot_score import CannotScoreError
from rlaudio.scorers.instructions import ARGUMENTS, RULES, _Arguments
from rlaudio.types import Check
from tests.factories import make_question


@pytest.mark.parametrize(
    ("options", "odd"),
    [
        (("a dog", "a cat"), []),
        (("a dog", "a dog barks"), ["nested options"]),
        (("dog", "a hot-dog stand"), ["nested options"]),
        (("art", "a cart"), []),
        (("A dog", "a dog "), ["equal options"]),
        (("a dog", "a dog!"), []),
        (("dog and cat", "cat and dog"), ["options of the same words"]),
        (("21.2s", "21.4s"), []),
        (("a", ""), ["empty option"]),
        (
            ("", "", "x y", "y x", "x"),
            ["empty option", "equal options", "options of the same words", "nested options"],
        ),
        ((), []),
    ],
)
def test_what_is_odd_about_options_is_named_once(options, odd):
    assert odd_options(make_question(choices=options, answer="x")) == odd


def test_a_question_about_no_clip_is_told():
    assert oddities(make_question()) == []
    assert oddities(replace(make_question(), clips=())) == [NO_CLIP]


@pytest.mark.parametrize(
    ("rule", "arguments", "is_odd"),
    [
        ("Keyword Frequency", {"keyword": "rain", "N": 2}, False),
        ("Keyword Frequency", {"keyword": "rain", "n": 2}, True),
        ("Keyword Frequency", {"keyword": "rain"}, True),
        ("Number Words (range)", {"N1": 2}, False),
        ("Number Words (range)", {"N2": 2}, True),
        ("Number Words (at least)", {"N": 3, "count": 3}, True),
        ("All Uppercase", {}, False),
        ("All Uppercase", {"N": 1}, True),
        ("Repeat Prompt", {"question": "What?"}, False),
    ],
)
def test_a_check_whose_rule_reads_other_arguments_is_told(rule, arguments, is_odd):
    odd = oddities(replace(make_question(), target=Check(rule, arguments)))
    assert odd == ([WRONG_ARGUMENTS] if is_odd else [])


@pytest.mark.parametrize("rule", sorted(RULES))
def test_the_arguments_of_a_rule_are_those_that_it_reads(rule):
    class Recorded(dict):
        def get(self, name, default=None):
            self.read.add(name)
            return super().get(name, default)

    asked = Recorded()
    asked.read = set()
    text = "A sentence of words, here. [x] *y* [z]"
    try:
        RULES[rule](text, _Arguments(rule, asked))
    except CannotScoreError:  # NLTK is asked first
        asked.read = set(ARGUMENTS[rule])
    assert asked.read - {"question"} == set(ARGUMENTS[rule])
