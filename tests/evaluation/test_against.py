"""One evaluation against another on the same questions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rlaudio.evaluation.accuracy import Evaluation
from rlaudio.evaluation.against import compare_with, paired_table
from rlaudio.evaluation.answer_rows import AnswerRow
from rlaudio.evaluation.evaluation_files import write_evaluations
from rlaudio.evaluation.statistics import bootstrap_interval
from rlaudio.types import Verdict
from tests.factories import make_question


def evaluation(right, first=0, control="audio"):
    rows = [
        AnswerRow(make_question(id=f"q{n}"), control, f"q{n}", "", {"exact": Verdict(bool(r), None)}, False)
        for n, r in enumerate(right, start=first)
    ]
    return Evaluation(tuple(rows), seed=0)


def test_the_questions_that_both_answered_are_compared(tmp_path):
    write_evaluations({"mmau": evaluation([1, 1, 0, 0, 0, 0])}, tmp_path)
    [pair] = compare_with({"mmau": evaluation([1, 1, 1, 1, 0, 0], first=2)}, tmp_path)
    assert (pair.question_count, pair.left_out) == (4, 4)
    assert (pair.accuracy, pair.other) == (1.0, 0.0)
    assert pair.p_value == 2 / 2**4
    assert "4 (4 in one alone)" in paired_table([pair], "before")


def test_a_folder_without_answers_and_answers_to_other_questions_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="found no single answers"):
        compare_with({"mmau": evaluation([1])}, tmp_path)
    write_evaluations({"mmar": evaluation([1])}, tmp_path)
    for other in (evaluation([1], first=5), evaluation([1], control="silence")):
        with pytest.raises(ValueError, match="no answer to the same question under the same control"):
            compare_with({"mmau": other}, tmp_path)


def test_one_set_on_each_side_is_compared_whatever_it_is_called(tmp_path):
    write_evaluations({"old_name": evaluation([1, 0])}, tmp_path)
    [pair] = compare_with({"mmau": evaluation([1, 1])}, tmp_path)
    assert (pair.held_out, pair.question_count) == ("mmau", 2)


@pytest.mark.parametrize("copies", [0, 2])
def test_answers_that_are_cut_off_or_doubled_are_refused(tmp_path, copies):
    write_evaluations({"mmau": evaluation([1, 0, 1])}, tmp_path)
    path = tmp_path / "evaluation" / "mmau.jsonl"
    first, *others = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join([first] if copies == 0 else [first, *others] * copies), encoding="utf-8")
    for folder in (tmp_path, tmp_path / "evaluation"):
        with pytest.raises(ValueError, match=r"mmau\.jsonl: \d answers?; expected 3, to 3 questions"):
            compare_with({"mmau": evaluation([1, 0, 1])}, folder)


def test_answers_to_other_options_are_not_those_to_the_same_question(tmp_path):
    write_evaluations({"mmau": evaluation([1, 0])}, tmp_path)
    changed = [replace(row, question=row.question.rotated(1)) for row in evaluation([1]).rows]
    with pytest.raises(ValueError, match="no answer to the same question"):
        compare_with({"mmau": Evaluation(tuple(changed), seed=0)}, tmp_path)


def test_answers_that_another_scorer_judged_are_refused(tmp_path):
    write_evaluations({"mmau": evaluation([1, 0])}, tmp_path)
    rows = [replace(row, verdicts={"robust": row.verdict}) for row in evaluation([1, 0]).rows]
    with pytest.raises(ValueError, match="judged by exact, these by robust"):
        compare_with({"mmau": Evaluation(tuple(rows), seed=0)}, tmp_path)


def test_the_bootstrap_is_that_of_questions_drawn_one_by_one():
    generator = np.random.default_rng(1)
    after, before = generator.random(120) < 0.7, generator.random(120) < 0.5
    drawn = generator.integers(120, size=(20_000, 120))
    differences = (after.astype(int) - before)[drawn].mean(axis=1)
    expected = np.percentile(differences, [2.5, 97.5])
    assert bootstrap_interval(after, before) == pytest.approx(tuple(expected), abs=0.01)


def test_a_bootstrap_over_other_questions_is_refused():
    with pytest.raises(ValueError, match="the same questions"):
        bootstrap_interval(np.ones(3, bool), np.ones(4, bool))
