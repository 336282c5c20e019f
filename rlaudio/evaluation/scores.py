"""Accuracies of groups of questions, with their intervals, and what the audio adds to them.

The evaluation's own scorer, the first, counts every answer; of another scorer's accuracy the answers that it
does not count are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rlaudio.evaluation.answer_rows import AnswerRow
from rlaudio.evaluation.baselines import chance
from rlaudio.evaluation.statistics import (
    accuracy_interval,
    difference_interval,
    grade_difference,
    mcnemar_p_value,
    mean_interval,
)
from rlaudio.types import Control, Verdict


@dataclass(frozen=True)
class Score:
    """Results of one group of questions under one control; fractions."""

    accuracy: float
    low: float  # 95 % interval of this model's accuracy, by Wilson; of a mean of grades by Student's t
    high: float
    unparsed: float
    truncated: float
    counted: int  # answers in the denominator


@dataclass(frozen=True)
class Difference:
    """Accuracy minus another accuracy on the same questions."""

    difference: float
    low: float  # 95 % interval over the questions, by Bonett and Price; of grades by Student's t
    high: float
    p_value: float | None  # McNemar's exact test; of grades Student's t; None as `grade_difference` says


@dataclass(frozen=True)
class GroupScores:
    """One line of the table: a group of questions under every control."""

    grouping: str  # "all", one of the questions' groups, "contribution", "truth" or "source_truth"
    name: str
    question_count: int
    chance: float
    scores: Mapping[Control, Score]
    gains: Mapping[Control, Difference]  # own audio minus this control
    other_scores: Mapping[str, Mapping[Control, Score]]  # by every scorer but the evaluation's own

    def to_dict(self) -> dict[str, Any]:
        """The line as JSON, without grouping and name."""
        return {
            "questions": self.question_count,
            "chance": self.chance,
            "scores": {control: asdict(score) for control, score in self.scores.items()},
            "gains": {control: asdict(gain) for control, gain in self.gains.items()},
            "other_scores": {
                scorer: {control: asdict(score) for control, score in scores.items()}
                for scorer, scores in self.other_scores.items()
            },
        }


def group_scores(
    grouping: str, name: str, rows: Mapping[Control, Sequence[AnswerRow]], scorers: Sequence[str]
) -> GroupScores:
    """One line of the table from the rows of a group; the first of the scorers is the evaluation's own."""
    by_scorer = {
        scorer: {
            control: score_of(of_control, scorer, count_all=scorer == scorers[0])
            for control, of_control in rows.items()
        }
        for scorer in scorers
    }
    scores = {
        scorer: {control: score for control, score in by_control.items() if score is not None}
        for scorer, by_control in by_scorer.items()
    }
    with_audio = rows.get("audio")
    gains: dict[Control, Difference] = {
        control: _difference(with_audio, of_control)
        for control, of_control in rows.items()
        if with_audio is not None and control != "audio"
    }
    questions = [row.question for row in next(iter(rows.values()))]
    return GroupScores(
        grouping=grouping,
        name=name,
        question_count=len(questions),
        chance=chance(questions),
        scores=scores.pop(scorers[0]),
        gains=gains,
        other_scores=scores,
    )


def score_of(rows: Sequence[AnswerRow], scorer: str, *, count_all: bool) -> Score | None:
    """What one scorer says of the rows; None where it counts no answer."""
    verdicts = [row.verdicts[scorer] for row in rows]
    counted = counted_verdicts(verdicts, count_all=count_all)
    if not counted:
        return None
    points = _points(counted)
    interval = mean_interval(points) if _graded(counted) else accuracy_interval(points.astype(bool))
    return Score(
        accuracy=float(points.mean()),
        low=interval.low,
        high=interval.high,
        unparsed=float(np.mean([verdict.unparsed for verdict in verdicts])),
        truncated=float(np.mean([row.truncated for row in rows])),
        counted=len(counted),
    )


def counted_verdicts(verdicts: Sequence[Verdict], *, count_all: bool) -> list[Verdict]:
    """The verdicts in a scorer's denominator: for the evaluation's own all of them."""
    return [verdict for verdict in verdicts if verdict.counted or count_all]


def _difference(after: Sequence[AnswerRow], before: Sequence[AnswerRow]) -> Difference:
    """By the evaluation's own scorer."""
    verdicts, others = [row.verdict for row in after], [row.verdict for row in before]
    points, other = _points(verdicts), _points(others)
    if _graded(verdicts) or _graded(others):
        interval, p_value = grade_difference(points, other)
    else:
        right, right_before = points.astype(bool), other.astype(bool)
        interval = difference_interval(right, right_before)
        p_value = None if (right == right_before).all() else mcnemar_p_value(right, right_before)
    return Difference(float(points.mean() - other.mean()), *interval, p_value)


def _points(verdicts: Sequence[Verdict]) -> np.ndarray:
    """[N] float64."""
    return np.array([verdict.points for verdict in verdicts])


def _graded(verdicts: Sequence[Verdict]) -> bool:
    return any(verdict.score is not None for verdict in verdicts)
