"""Weak-to-strong's stages with the labels shuffled: does audio contribution matter, or the stages' size?"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from rlaudio.curricula.stage import RL_STEPS, SFT_EPOCHS, Stage, with_contribution
from rlaudio.types import Contributions, Question


def random_split(
    questions: Sequence[Question],
    contributions: Contributions,
    rng: np.random.Generator,
    *,
    sft_epochs: float = SFT_EPOCHS,
    sft_steps: int | None = None,
    rl_steps: int = RL_STEPS,
    within: Literal["category", "all"] = "category",
) -> list[Stage]:
    """SFT and RL on as many questions as weak-to-strong would have, drawn at random.

    Labels are shuffled within each category, so that both stages also keep weak-to-strong's mixture of
    sound, music, speech and temporal questions: types differ in how often they are weak, and a difference
    between types is not one of audio contribution. `within: all` keeps the sizes alone, which is
    mixed-to-mixed with its default SFT set. `sft_steps` overrules `sft_epochs`.
    """
    weak = {question.id for question in with_contribution(questions, contributions, "weak")}
    groups: dict[str, list[int]] = {}
    for place, question in enumerate(questions):
        groups.setdefault(question.groups.get("category", "") if within == "category" else "all", []).append(
            place
        )
    first = np.zeros(len(questions), dtype=bool)
    for _, places in sorted(groups.items()):
        count = sum(questions[place].id in weak for place in places)
        first[rng.permutation(places)[:count]] = True
    return [
        Stage("sft", _where(questions, first), epochs=sft_epochs, steps=sft_steps),
        Stage("rl", _where(questions, ~first), steps=rl_steps),
    ]


def _where(questions: Sequence[Question], chosen: np.ndarray) -> tuple[Question, ...]:
    return tuple(question for question, c in zip(questions, chosen, strict=True) if c)
