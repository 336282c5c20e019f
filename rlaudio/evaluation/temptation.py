"""How often a model chooses the wrong option that its question tempts with, under every control.

Data that knows of such options names them, in the field `tempting`, and in `tempting_short` in fewer words
where they are qualified: the embedded world does. A model that says those words alone, or before a comma,
names no option, and is tempted all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rlaudio.answers import answer_text, normalise
from rlaudio.answers.tags import without_stray_tags
from rlaudio.evaluation.answer_rows import AnswerRow
from rlaudio.types import Control, Question


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


def tempting_options(question: Question) -> tuple[int, ...]:
    """Positions of the tempting option, stated by its text or its position; none where that is right."""
    stated, options = question.extra.get("tempting"), question.choices
    if type(stated) is int:
        places: tuple[int, ...] = (stated,) if 0 <= stated < len(options) else ()
    else:
        places = tuple(place for place, option in enumerate(options) if option == stated)
    return tuple(place for place in places if options[place] != question.answer)


def _is_tempted(row: AnswerRow) -> bool:
    if row.verdict.read is not None:
        return row.verdict.read in tempting_options(row.question)
    short = row.question.extra.get("tempting_short")
    said = without_stray_tags(answer_text(row.text)).partition(",")[0]
    return isinstance(short, str) and normalise(said) == normalise(short)


def _tempted(by_control: Mapping[Control, Sequence[AnswerRow]]) -> Tempted:
    questions = [row.question for row in next(iter(by_control.values()))]
    chances = [len(tempting_options(question)) / len(question.choices) for question in questions]
    shares = {
        control: float(np.mean([_is_tempted(row) for row in rows])) for control, rows in by_control.items()
    }
    return Tempted(len(questions), float(np.mean(chances)), shares)
