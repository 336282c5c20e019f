"""RL that draws questions by how much the audio contributes, instead of splitting them (not from a paper)."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import expit

from rlaudio.curricula.selector import Observed, Weighted
from rlaudio.curricula.stage import RL_STEPS, SFT_EPOCHS, Stage, check_labelled, random_mixture
from rlaudio.types import Contributions, Question

REFRESH_EVERY = 10  # steps
MIDDLE, WIDTH = 0.5, 0.2  # of the sigmoid over contribution


def by_contribution(
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
) -> list[Stage]:
    """Mixed-to-strong, whose RL draws from all of the rest, by sigmoid((c - middle) / width).

    c is the gain of the gold option's probability, or success, by the audio: the policy's own as
    `contribution.on_policy` measured it last, on the questions of every `refresh_every`-th step (0: never).
    Until then it is the label's gain; without one the label's score, 1 minus right answers in silence, which
    is only an upper bound of the gain; without that 1 for strong and 0 for weak. Give labels a gain, with
    `contribution.use: options`, where both must be one quantity. Raises ValueError for a width of 0 or less.
    """
    check_labelled(questions, contributions)
    mixed, rest = random_mixture(questions, contributions, sft_questions, rng)
    weight = contribution_weight(contributions, middle, width)

    def weigh(rest: Sequence[Question], seen: Observed) -> list[float]:
        return [weight(question, seen) for question in rest]

    selector = Weighted(weigh=weigh, contribution_every=refresh_every)
    return [
        Stage("sft", mixed, epochs=sft_epochs, steps=sft_steps),
        Stage("rl", rest, steps=rl_steps, selector=selector),
    ]


def contribution_weight(
    contributions: Contributions, middle: float, width: float
) -> Callable[[Question, Observed], float]:
    """0 to 1, from what the policy showed of a question last, else from its label. Raises ValueError."""
    if not width > 0.0:
        raise ValueError(f"width is {width:g}; expected more than 0")

    def weight(question: Question, seen: Observed) -> float:
        label = contributions[question.id]
        stated = [number for number in (label.gain, label.score) if number is not None]
        labelled = stated[0] if stated else float(label.label == "strong")
        return float(expit((seen.contributions.get(question.id, labelled) - middle) / width))

    return weight
