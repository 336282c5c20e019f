"""Answers of an evaluation by group, and as JSON."""

import pytest

from rlaudio.evaluation.answer_rows import AnswerRow, group_names, grouped
from rlaudio.types import Verdict
from tests.factories import make_question

RIGHT, WRONG = Verdict(True, 0, "exact"), Verdict(False, 1, "letter")


def row(id="q1", control="audio", verdicts=None, contribution=None, **groups):
    question = make_question(id=id, groups=groups)
    return AnswerRow(question, control, id, "a dog", verdicts or {"robust": RIGHT}, False, contribution)


@pytest.mark.parametrize(
    ("groups", "contribution", "truth", "names"),
    [
        ({}, None, None, {}),
        ({"source": "s"}, "weak", None, {"source": "s", "contribution": "weak"}),
        ({}, None, True, {"truth": "text-answerable"}),
        (
            {"source": "s"},
            None,
            False,
            {"source": "s", "truth": "audio-only", "source_truth": "s, audio-only"},
        ),
    ],
)
def test_a_question_is_in_the_groups_that_are_known_of_it(groups, contribution, truth, names):
    assert group_names(groups, contribution, truth) == {"all": "all", **names}


def test_rows_come_by_group_and_control_names_in_order():
    rows = [row("1", category="b"), row("1", "silence", category="b"), row("2", category="a"), row("3")]
    listed = [
        (grouping, name, {control: [r.question.id for r in of] for control, of in by_control.items()})
        for grouping, name, by_control in grouped(rows)
    ]
    assert listed == [
        ("all", "all", {"audio": ["1", "2", "3"], "silence": ["1"]}),
        ("category", "a", {"audio": ["2"]}),
        ("category", "b", {"audio": ["1"], "silence": ["1"]}),
    ]


def test_the_own_scorer_is_the_first_and_its_verdict_stands_flat():
    stored = row(verdicts={"robust": WRONG, "exact": RIGHT}).to_dict()
    assert (stored["right"], stored["predicted"], stored["status"]) == (False, 1, "letter")
    assert stored["verdicts"]["exact"]["right"] and not stored["verdicts"]["robust"]["right"]
