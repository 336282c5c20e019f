"""RL that draws questions where the audio contributes and the policy succeeds sometimes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rlaudio.curricula.by_contribution import (
    MIDDLE,
    REFRESH_EVERY,
    WIDTH,
    by_contribution,
    contribution_weight,
)
from rlaudio.curricula.by_trainability import SOLVED, UNSOLVED, trainability_weight
from rlaudio.curricula.selector import Observed, Weighted
from rlaudio.curricula.stage import RL_STEPS, SFT_EPOCHS, Stage
from rlaudio.types import Contributions, Question


def by_both(
    questions: Sequence[Question],
    contributions: Contributions,
    rng: np.random.Generator,
    *,
    sft_epochs: float = SFT_EPOCHS,
    sft_steps: int | None = None,
    sft_questions: int | None = None,
    rl_steps: int = RL_STEPS,
    refresh_every: int = REFRESH_EVERY,
    middle: float = MIDDLE,
    width: float = WIDTH,
    solved: float = SOLVED,
    unsolved: float = UNSOLVED,
) -> list[Stage]:
    """The stages of `by_contribution`; weights are the product of its own and those of `by_trainability`."""

    def weigh(rest: Sequence[Question], seen: Observed) -> list[float]:
        return [
            contribution_weight(question, contributions, seen, middle, width)
            * trainability_weight(question, seen, solved, unsolved)
            for question in rest
        ]

    sft, rl = by_contribution(
        questions,
        contributions,
        rng,
        sft_epochs=sft_epochs,
        sft_steps=sft_steps,
        sft_questions=sft_questions,
        rl_steps=rl_steps,
        middle=middle,
        width=width,
    )
    return [sft, replace(rl, selector=Weighted(weigh=weigh, contribution_every=refresh_every))]
