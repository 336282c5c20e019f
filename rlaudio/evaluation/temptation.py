"""How often a model chooses the wrong option that its question tempts with, under every control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rlaudio.answers.tempting_options import is_tempted, tempting_options
from rlaudio.evaluation.answer_rows import AnswerRow
from rlaudio.types import Control


@dataclass(frozen=True)
class Tempted:
    """The questions that one mechanism tempts in."""

    questions: int
    chance: float  # share of uniform guesses that are the tempting option
    shares: Mapping[Control, float]  # of all answers


def tempted(rows: Sequence[AnswerRow]) -> dict[str, Tempted]:
    """By mechanism, `unknown` where the data names none; without questions that tempt it is empty."""
    groups: dict[str, dict[Control, list[AnswerRow]]] = {}
    for row in rows:
        if tempting_options(row.question):
            mechanism = row.question.groups.get("mechanism", "unknown")
            groups.setdefault(mechanism, {}).setdefault(row.control, []).append(row)
    return {name: _tempted(by_control) for name, by_control in sorted(groups.items())}


def _tempted(by_control: Mapping[Control, Sequence[AnswerRow]]) -> Tempted:
    questions = [row.question for row in next(iter(by_control.values()))]
    chances = [len(tempting_options(question)) / len(question.choices) for question in questions]
    shares = {
        control: float(np.mean([is_tempted(row.question, row.text, row.verdict.read) for row in rows]))
        for control, rows in by_control.items()
    }
    return Tempted(len(questions), float(np.mean(chances)), shares)
