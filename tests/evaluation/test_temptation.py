"""How often the tempting option is chosen: hand numbers, and data that names it otherwise or not at all."""

from __future__ import annotations

import pytest

from rlaudio.evaluation.accuracy import Evaluation
from rlaudio.evaluation.accuracy_table import accuracy_table
from rlaudio.evaluation.answer_rows import AnswerRow
from rlaudio.evaluation.temptation import tempted
from rlaudio.scorers.robust import robust
from rlaudio.types import Verdict
from tests.factories import make_question

OPTIONS = ("a dog", "a cat", "a cow", "a frog")  # the first is right


def question(id, mechanism="length", tempting="a cat"):
    groups = {"mechanism": mechanism} if mechanism else {}
    extra = {} if tempting is None else {"tempting": tempting}
    return make_question(id=id, choices=OPTIONS, groups=groups, extra=extra)


def rows(asked, control, read):
    """Answers that name the options at these positions; None: no option."""
    return [
        AnswerRow(q, control, q.id, "", {"robust": Verdict(place == 0, place)}, False)
        for q, place in zip(asked, read, strict=True)
    ]


@pytest.fixture
def answers():
    asked = [question("a"), question("b"), question("c", "prior"), question("d", None, None)]
    return [*rows(asked, "audio", [0, 1, 1, 1]), *rows(asked, "silence", [1, 1, None, 1])]


def test_the_share_of_tempted_answers_is_by_mechanism_and_control(answers):
    by_mechanism = tempted(answers)
    assert list(by_mechanism) == ["length", "prior"]
    assert by_mechanism["length"].shares == {"audio": 0.5, "silence": 1.0}
    assert by_mechanism["prior"].shares == {"audio": 1.0, "silence": 0.0}
    assert (by_mechanism["length"].questions, by_mechanism["length"].chance) == (2, 0.25)


def test_the_table_and_the_json_have_it(answers):
    evaluation = Evaluation(tuple(answers), seed=0)
    line = "Tempted by length (2 questions, chance 25.0): audio 50.0, silence 100.0."
    assert line in accuracy_table(evaluation).splitlines()
    assert evaluation.to_dict()["tempted"]["prior"]["shares"] == {"audio": 1.0, "silence": 0.0}


def test_without_tempting_options_nothing_is_said():
    evaluation = Evaluation(tuple(rows([question("a", tempting=None)], "audio", [1])), seed=0)
    assert evaluation.to_dict()["tempted"] == {}
    assert "Tempted" not in accuracy_table(evaluation)


def test_a_mechanism_that_the_data_does_not_name_is_unknown():
    assert list(tempted(rows([question("a", mechanism=None)], "audio", [1]))) == ["unknown"]


@pytest.mark.parametrize(
    ("text", "is_tempted"),
    [
        ("<answer>a cat, as heard in this clip</answer>", True),
        ("<answer>a cat</answer>", True),
        ("<answer>A cat, as heard</answer>", True),
        ("a cat</answer>", True),
        ("<answer>a catfish</answer>", False),
        ("<answer>a dog, a cat</answer>", False),
        ("<answer>a dog</answer>", False),
        ("", False),
    ],
)
def test_a_tempting_option_that_is_named_in_fewer_words_tempts_all_the_same(text, is_tempted):
    extra = {"tempting": "a cat, as heard in this clip", "tempting_short": "a cat"}
    asked = make_question(choices=("a dog", extra["tempting"], "a cow", "a frog"), extra=extra)
    row = AnswerRow(asked, "audio", asked.id, text, {"robust": robust(asked, text)}, False)
    assert tempted([row])["unknown"].shares == {"audio": float(is_tempted)}
