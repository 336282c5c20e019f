"""A stage of training and the order in which it draws its questions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rlaudio.types import ContributionLabel, Contributions, Question
from rlaudio.utils.randomness import generator

SFT_EPOCHS = 2.0  # of a curriculum that has SFT and names no other length
RL_STEPS = 1000  # of one that has RL after it


@dataclass(frozen=True)
class Stage:
    """Some questions, one way to train on them, and for how long: `epochs` or `steps`.

    Raises ValueError for less than none of either.
    """

    kind: Literal["sft", "rl"]
    questions: tuple[Question, ...]
    epochs: float | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("epochs", self.epochs), ("steps", self.steps)):
            if value is not None and value < 0:
                raise ValueError(f"the {self.kind} stage has {value:g} {name}; expected at least 0")

    def total_steps(self, questions_per_step: int) -> int:
        """Steps of this stage; a last partial batch of an epoch is filled from the next one."""
        if self.steps is not None:
            return self.steps
        return math.ceil((self.epochs or 0.0) * len(self.questions) / questions_per_step)

    def draw(self, first: int, count: int, *key: int | str) -> list[Question]:
        """`count` questions from the `first` on: every epoch a new order, a pure function of the key."""
        orders: dict[int, np.ndarray] = {}
        drawn = []
        for position in range(first, first + count):
            epoch, place = divmod(position, len(self.questions))
            if epoch not in orders:
                orders[epoch] = generator(*key, "epoch", epoch).permutation(len(self.questions))
            drawn.append(self.questions[orders[epoch][place]])
        return drawn


def with_contribution(
    questions: Sequence[Question], contributions: Contributions, wanted: ContributionLabel
) -> tuple[Question, ...]:
    """The questions labelled `wanted`. Raises ValueError where a question has no label."""
    unlabelled = [q.id for q in questions if q.id not in contributions]
    if unlabelled:
        raise ValueError(
            f"{len(unlabelled)} of {len(questions)} questions have no audio-contribution label (first: "
            f"{unlabelled[0]}); expected weak or strong; name voters in the recipe or run 'rlaudio label'"
        )
    return tuple(q for q in questions if contributions[q.id].label == wanted)


def random_split(
    questions: Sequence[Question], first: int, rng: np.random.Generator
) -> tuple[tuple[Question, ...], tuple[Question, ...]]:
    """Split at random into `first` questions and the rest, each in the given order."""
    chosen = np.zeros(len(questions), dtype=bool)
    chosen[rng.permutation(len(questions))[:first]] = True
    return (
        tuple(q for q, c in zip(questions, chosen, strict=True) if c),
        tuple(q for q, c in zip(questions, chosen, strict=True) if not c),
    )


def check_stages(stages: Sequence[Stage]) -> None:
    """Refuse stages that are empty or share a question (the paper: SFT and RL strictly disjoint).

    Raises ValueError that names the stage and the question.
    """
    seen: dict[str, int] = {}
    for number, stage in enumerate(stages):
        if not stage.questions:
            raise ValueError(
                f"stage {number} ({stage.kind}) has no questions; expected at least one; "
                "look at the labels ('rlaudio check') or take another curriculum"
            )
        for question in stage.questions:
            if seen.setdefault(question.id, number) != number:
                raise ValueError(
                    f"question {question.id} is in stage {seen[question.id]} and in stage {number}; "
                    "expected disjoint stages; remove the duplicate from the data"
                )
