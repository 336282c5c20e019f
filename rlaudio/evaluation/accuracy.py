"""Does the model answer right, and does it need the audio for it? Greedy accuracy with controls.

Scorers decide what is right: the evaluation's own, on which tables are based, and others, such as that of the
reward or the official one of a benchmark, whose accuracies are shown beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from rlaudio.answers.unparsed import ANOTHER, IN_A_RUN, warn_if_unparsed
from rlaudio.evaluation.answer_rows import AnswerRow, grouped
from rlaudio.evaluation.baselines import baselines, position_histogram
from rlaudio.evaluation.scores import GroupScores, counted_verdicts, group_scores
from rlaudio.evaluation.temptation import Tempted, tempted
from rlaudio.types import Control, Question


@dataclass(frozen=True)
class Evaluation:
    """All answers, from which all tables are computed."""

    rows: tuple[AnswerRow, ...]  # control by control, the questions in the same order each time
    seed: int  # of the mismatched clips
    reordered: tuple[AnswerRow, ...] = ()  # answers to the same questions in other orders of their options
    provenance: Mapping[str, str] = field(default_factory=dict)  # what was asked, see `provenance_of`

    @cached_property
    def controls(self) -> tuple[Control, ...]:
        """The controls in the order in which they were run."""
        return tuple(dict.fromkeys(row.control for row in self.rows))

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """The questions, each once."""
        return tuple(row.question for row in self.rows if row.control == self.controls[0])

    @property
    def scorers(self) -> tuple[str, ...]:
        """Names of the scorers, the evaluation's own first."""
        return tuple(self.rows[0].verdicts)

    def accuracy(
        self, control: Control, grouping: str = "all", name: str = "all", scorer: str | None = None
    ) -> float | None:
        """Accuracy of one group under one control; None where it has no questions.

        Here and below `scorer` names one of the scorers; None: the evaluation's own.
        """
        scorer = scorer or self.scorers[0]
        verdicts = [
            row.verdicts[scorer]
            for row in self.rows
            if row.control == control and row.groups.get(grouping) == name
        ]
        points = [
            verdict.points for verdict in counted_verdicts(verdicts, count_all=scorer == self.scorers[0])
        ]
        return float(np.mean(points)) if points else None

    def unparsed(self, control: Control, scorer: str | None = None) -> float | None:
        """Share of the answers under one control that name no option; None where it was not run."""
        scorer = scorer or self.scorers[0]
        unparsed = [row.verdicts[scorer].unparsed for row in self.rows if row.control == control]
        return float(np.mean(unparsed)) if unparsed else None

    def warn_if_unparsed(self, model: str, *, trains: bool = False) -> None:
        """Warn where most answers to the questions with their audio name no option; `model` names it.

        `trains` says that the model is a run's, whose page has the shares before and after.
        """
        share = self.unparsed("audio") or 0.0
        advice = IN_A_RUN if trains else ANOTHER
        warn_if_unparsed(f"{model}, with audio", share, "accuracies say little", advice)

    def accuracy_by_contribution(self, scorer: str | None = None) -> dict[str, dict[str, float | None]]:
        """`{strong|weak|all: {control: accuracy}}`, as the summary of a run shows it."""
        groups = {"strong": "contribution", "weak": "contribution", "all": "all"}
        return {
            name: {control: self.accuracy(control, grouping, name, scorer) for control in self.controls}
            for name, grouping in groups.items()
        }

    def metrics(self) -> dict[str, float]:
        """Accuracies and unparsed answers by metric name; those by other scorers end with the scorer's.

        What was not measured has no name here: without the control `audio` nothing is known of unparsed ones.
        """
        suffixes = {scorer: f"_{scorer}" for scorer in self.scorers} | {self.scorers[0]: ""}
        accuracies = {
            f"eval/{contribution}_{control}{suffix}": value
            for scorer, suffix in suffixes.items()
            for contribution, by_control in self.accuracy_by_contribution(scorer).items()
            for control, value in by_control.items()
            if value is not None
        }
        unparsed = {f"eval/unparsed{end}": self.unparsed("audio", name) for name, end in suffixes.items()}
        return accuracies | {name: share for name, share in unparsed.items() if share is not None}

    def groups(self) -> list[GroupScores]:
        """The lines of the table: all questions, then every group of every grouping."""
        return [
            group_scores(grouping, name, rows, self.scorers) for grouping, name, rows in grouped(self.rows)
        ]

    @property
    def published(self) -> bool:
        """Whether it is known what is right; else there is no accuracy."""
        return self.questions[0].is_published

    def disagreements(self) -> list[tuple[str, AnswerRow]]:
        """The answers about which another scorer says otherwise than the evaluation's own, with its name.

        One that it leaves out is such an answer, too.
        """
        return [
            (scorer, row)
            for scorer in self.scorers[1:]
            for row in self.rows
            if (row.verdicts[scorer].right, row.verdicts[scorer].counted) != (row.verdict.right, True)
        ]

    def predicted_positions(self, control: Control) -> tuple[int, ...]:
        """How often each position was answered under one control; unparsed answers are left out."""
        read = [row.verdict.read for row in self.rows if row.control == control]
        return position_histogram([position for position in read if position is not None])

    def table(self) -> str:
        """The results as a table of text: a line for each group, a column for each control."""
        from rlaudio.evaluation.accuracy_table import accuracy_table

        return accuracy_table(self)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the single answers, as JSON: `tables[grouping][name]` and the baselines."""
        if not self.published:
            return {"scorer": self.scorers[0], "provenance": dict(self.provenance), "published": False}
        tables: dict[str, dict[str, Any]] = {}
        for group in self.groups():
            tables.setdefault(group.grouping, {})[group.name] = group.to_dict()
        return {
            "scorer": self.scorers[0],
            "provenance": dict(self.provenance),
            "seed": self.seed,
            "baselines": asdict(baselines(self.questions)),
            "s_audio": self.s_audio(),
            "zero_contribution": self.zero_contribution(),
            "tempted": {mechanism: asdict(shares) for mechanism, shares in self.tempted().items()},
            "orders": {c: self.by_order(c) for c in self.controls} if self.reordered else {},
            "stable": {c: self.stable(c) for c in self.controls} if self.reordered else {},
            "predicted_positions": {c: self.predicted_positions(c) for c in self.controls},
            "tables": tables,
        }

    def s_audio(self) -> float | None:
        """Accuracy with audio minus the mean of those in silence and with other audio; None if not asked so.

        KAIST, arXiv:2609.04637.
        """
        audio, silent, other = self.accuracy("audio"), self.accuracy("silence"), self.accuracy("mismatch")
        return None if audio is None or silent is None or other is None else audio - (silent + other) / 2

    def zero_contribution(self) -> float | None:
        """Share of the questions about audio that are answered right with it and in silence alike.

        Their audio contribution is 0 although the model knows the answer, arXiv:2509.21060.
        """
        right = {
            control: [row.verdict.right for row in self.rows if row.control == control and row.question.clips]
            for control in ("audio", "silence")
        }
        if not all(right.values()):
            return None
        return float(np.mean([a and b for a, b in zip(*right.values(), strict=True)]))

    def tempted(self) -> dict[str, Tempted]:
        """How often the wrong option was chosen that a question tempts with, by mechanism."""
        return tempted(self.rows)

    def stable(self, control: Control) -> float | None:
        """Share right in every order, of the questions that were asked in all; None for one order."""
        right = self.right_by_order(control)
        return float(np.mean(np.logical_and.reduce(right))) if len(right) > 1 else None

    def by_order(self, control: Control) -> list[float]:
        """Accuracy in every order, the data's own first, of the questions that were asked in all of them."""
        return [float(np.mean(of_order)) for of_order in self.right_by_order(control)]

    def right_by_order(self, control: Control) -> list[list[bool]]:
        """Of every order the verdicts on the questions that were asked in all; others have fewer options."""
        rows = [row for row in (*self.rows, *self.reordered) if row.control == control]
        right = {(row.question.id, row.order): row.verdict.right for row in rows}
        last = max((row.order for row in rows), default=0)
        whole = [id for id, order in right if order == last]
        return [[right[id, order] for id in whole] for order in range(last + 1)]
