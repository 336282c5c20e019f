"""The paper's prompts to the letter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rlaudio.prompts.wording import SYSTEM, render_user_text
from rlaudio.types import Check, Choice, OpenText, Question
from tests.factories import make_question

GOLDEN = Path(__file__).parent / "golden"
SOURCE = make_question(
    question="What is the likely source of the sound?",
    choices=("A dog barking", "A car horn", "Rain on a roof", "A ringing bell"),
)
QUOTES = make_question(
    question="Who speaks?",
    choices=("The baker's wife", 'A "friend"', "Both 'one' and \"two\"", "Zoë"),
)


def golden(name: str) -> str:
    return (GOLDEN / name).read_text(encoding="utf-8")


def test_the_system_prompt_is_the_papers():
    assert golden("system.txt") == SYSTEM


def test_the_answer_only_prompt_is_the_papers():
    assert render_user_text(SOURCE) == golden("user_answer_only.txt")


def test_the_thinking_prompt_is_that_of_r1_aqa():
    assert render_user_text(replace(SOURCE, style="thinking")) == golden("user_thinking.txt")


def test_quotes_in_options_are_quoted_as_python_does():
    assert render_user_text(QUOTES) == golden("user_quotes.txt")


def test_an_unknown_style_is_an_error_that_lists_the_known_ones():
    with pytest.raises(ValueError, match="'think'; expected one of answer_only, thinking, letters"):
        render_user_text(replace(SOURCE, style="think"))


def test_letters_are_asked_for_in_the_words_of_mmsu():
    question = make_question(choices=("a dog", "a cat", "a cow", "rain"), style="letters")
    assert render_user_text(question) == (
        "Choose the most suitable answer from options A, B, C, and D. "
        "You must respond with only A, B, C, or D."
        f"\n\nQuestion: {question.question}\n\nA. a dog\nB. a cat\nC. a cow\nD. rain"
    )
    of_two = replace(question, target=Choice(("a dog", "a cat"), 0))
    assert render_user_text(of_two).startswith(
        "Choose the most suitable answer from options A and B. You must respond with only A or B.\n"
    )


def test_a_question_without_options_is_asked_without_them():
    question = Question("q", "What is heard?", (), OpenText("rain"))
    assert render_user_text(question) == "What is heard? Output the final answer in <answer> </answer>."


def test_more_options_than_letters_cannot_be_lettered():
    question = make_question(choices=tuple(map(str, range(27))), style="letters")
    with pytest.raises(ValueError, match="27 options and 26 letters"):
        render_user_text(question)


def test_a_question_whose_form_is_checked_is_asked_in_its_own_words_alone():
    question = Question("q", "Describe it in capitals.", (), Check("All Uppercase"))
    assert render_user_text(question) == "Describe it in capitals."
