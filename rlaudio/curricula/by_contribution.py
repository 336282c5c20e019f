"""RL that draws questions by how much the audio contributes, instead of splitting them (not from a paper)."""

import math
from collections.abc import Sequence

import numpy as np

from rlaudio.curricula.selector import Observed, Weighted
from rlaudio.curricula.stage import RL_STEPS, SFT_EPOCHS, Stage, random_split, with_contribution
from rlaudio.types import Contributions, Question


def by_contribution(
    questions: Sequence[Question],
    contributions: Contributions,
    rng: np.random.Generator,
    *,
    sft_epochs: float = SFT_EPOCHS,
    sft_steps: int | None = None,
    sft_questions: int | None = None,
    rl_steps: int = RL_STEPS,
    refresh_every: int = 10,
    middle: float = 0.5,
    width: float = 0.2,
) -> list[Stage]:
    """Mixed-to-strong, whose RL draws from all of the rest, by sigmoid((c - middle) / width).

    c is the label's score (without one: 1 strong, 0 weak) until the policy's own contribution was measured,
    by `contribution.on_policy`: on the questions of every `refresh_every`-th step; 0: never.
    """
    weak = with_contribution(questions, contributions, "weak")
    mixed, rest = random_split(questions, len(weak) if sft_questions is None else sft_questions, rng)

    def weigh(rest: Sequence[Question], seen: Observed) -> list[float]:
        return [contribution_weight(question, contributions, seen, middle, width) for question in rest]

    selector = Weighted(weigh=weigh, contribution_every=refresh_every)
    return [
        Stage("sft", mixed, epochs=sft_epochs, steps=sft_steps),
        Stage("rl", rest, steps=rl_steps, selector=selector),
    ]


def contribution_weight(
    question: Question, contributions: Contributions, seen: Observed, middle: float, width: float
) -> float:
    """0 to 1, from what the policy showed of the question last, else from its label."""
    label = contributions[question.id]
    labelled = float(label.label == "strong") if label.score is None else label.score
    gap = (seen.contributions.get(question.id, labelled) - middle) / width
    return 1.0 / (1.0 + math.exp(-gap))
