"""What a model must beat: guessing, and rules that need neither audio nor text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rlaudio.types import Choice, Question


@dataclass(frozen=True)
class Baselines:
    """Accuracies, as fractions, that need no model."""

    chance: float  # uniform guessing
    always_first: float
    longest_option: float
    gold_positions: tuple[int, ...]  # how many items have their gold answer at each position


def baselines(questions: Sequence[Question]) -> Baselines:
    """The baselines of a set of questions; one without options is never right. Raises ValueError for none."""
    if not questions:
        raise ValueError("baselines need at least one question; found none")
    return Baselines(
        chance=chance(questions),
        always_first=float(np.mean([question.choices[:1] == (question.answer,) for question in questions])),
        longest_option=float(np.mean([_longest_option_gain(question) for question in questions])),
        gold_positions=position_histogram([q.answer_index for q in questions if _has_gold(q)]),
    )


def chance(questions: Sequence[Question]) -> float:
    """Expected accuracy of uniform guessing: the mean of `right_share`."""
    return float(np.mean([right_share(question.choices, question.answer) for question in questions]))


def right_share(choices: Sequence[str], answer: str) -> float:
    """Share of a question's options that are right, equal texts alike; 0 where it has no options.

    Where the answer is none of them, or not known, one is taken to be right.
    """
    return max(1, choices.count(answer)) / len(choices) if choices else 0.0


def position_histogram(positions: Sequence[int]) -> tuple[int, ...]:
    """How often each position 0, 1, ... up to the largest one occurs."""
    return tuple(int(count) for count in np.bincount(np.asarray(positions, dtype=np.int64)))


def _has_gold(question: Question) -> bool:
    return isinstance(question.target, Choice) and question.target.gold is not None


def _longest_option_gain(question: Question) -> float:
    """Probability to be right by taking the longest option, at random among equally long ones."""
    longest = max(map(len, question.choices), default=0)
    tied = [choice for choice in question.choices if len(choice) == longest]
    return tied.count(question.answer) / len(tied) if tied else 0.0
