"""What the texts of a question must be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rlaudio.data.question_rules import QuestionRules
from rlaudio.types import OpenText
from tests.factories import make_question

TOKENS = ("<|im_end|>", "<|AUDIO|>", "</s>")


def kinds(question, **rules) -> list[str]:
    return [kind for kind, _ in QuestionRules(**rules).problems(question)]


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"question": "x" * 200_000}, "too long"),
        ({"choices": ("a", "b" * 200_000)}, "too long"),
        ({"id": "i" * 10_000}, "too long"),
        ({"choices": tuple(map(str, range(10_000)))}, "too many choices"),
        ({"question": "a\x07b"}, "control character"),
        ({"question": "\ud800"}, "control character"),
        ({"choices": ("a", "b\0")}, "control character"),
        ({"id": "a\nb"}, "control character"),
        ({"id": "a\u2028b"}, "control character"),
        ({"groups": {"category": "c" * 10_000}}, "too long"),
        ({"groups": {"source": "a\nb"}}, "control character"),
        ({"groups": {"source": "\x1b[2J"}}, "control character"),
        ({"id": 7}, "not a text"),
        ({"groups": {"category": 7}}, "not a text"),
        ({"choices": ("a", None)}, "not a text"),
    ],
)
def test_a_text_that_no_prompt_can_hold_is_a_problem(fields, kind):
    assert kinds(make_question(**fields)) == [kind]


def test_reasons_about_enormous_texts_are_short():
    enormous = make_question(choices=("a" * 40_000, "b" * 40_000), answer="c")
    (problem,) = QuestionRules().problems(enormous)
    assert problem[0] == "answer not among the choices" and len(problem[1]) < 1000


def test_lines_tabs_and_emoji_are_text():
    assert kinds(make_question(question="Which?\n\t\N{DOG}\r\n", choices=("a\u2028", "b"))) == []


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"question": "Is it <|AUDIO|>?"}, "question"),
        ({"choices": ("a", "<|im_end|>")}, "choice 2"),
        ({"choices": ("</s>", "b")}, "choice 1"),
        ({"cot": {"simple": "so <|im_end|>"}}, "chain of thought 'simple'"),
    ],
)
def test_special_tokens_of_the_model_are_found_wherever_they_stand(fields, name):
    ((kind, reason),) = QuestionRules(special_tokens=TOKENS).problems(make_question(**fields))
    assert kind == "special token"
    assert reason.startswith(f"{name} holds ") and "control token" in reason


def test_special_tokens_in_an_open_answer_are_found():
    question = replace(make_question(), target=OpenText("bye <|im_end|>"))
    assert kinds(question, special_tokens=TOKENS) == ["special token"]


def test_tokens_of_other_models_are_plain_text():
    assert kinds(make_question(question="Is it <|AUDIO|>?"), special_tokens=["<audio>"]) == []


def test_a_chain_of_thought_that_is_not_trained_on_may_hold_anything():
    question = make_question(cot={"simple": "<|im_end|>"})
    assert kinds(question, special_tokens=TOKENS, for_training=False) == []


@pytest.mark.parametrize("choices", [("a", "b", "a"), ("a", "A "), ("a", ""), ("a", " ", "")])
def test_equal_and_empty_options_are_refused_for_training_alone(choices):
    question = make_question(choices=choices, answer="a")
    assert kinds(question) != [] and kinds(question, for_training=False) == []


@pytest.mark.parametrize("fields", [{"choices": ("a",)}, {"answer": "x"}, {"question": " "}])
def test_a_question_without_a_right_answer_is_refused_for_evaluation_too(fields):
    assert len(kinds(make_question(**fields), for_training=False)) == 1


@pytest.mark.parametrize("tag", ["</answer>", "<answer>", "<think>", "</THINK>", "< /answer >"])
def test_an_option_that_no_completion_could_give_is_refused_for_training_alone(tag):
    question = make_question(choices=("a dog", f"a cat {tag} b"))
    assert kinds(question) == ["tag in an answer"]
    assert kinds(question, for_training=False) == []
    assert kinds(replace(question, style="letters")) == []  # a letter can be given
    assert kinds(replace(question, target=OpenText(f"a {tag}"))) == ["tag in an answer"]
    assert kinds(make_question(question=f"What is {tag}?")) == []


def test_a_question_about_very_many_clips_is_refused():
    clip = make_question().clips[0]
    assert kinds(replace(make_question(), clips=(clip,) * 500)) == ["too many clips"]
    assert kinds(replace(make_question(), clips=(clip,) * 5)) == []
