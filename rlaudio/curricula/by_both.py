"""RL that draws questions where the audio contributes and the policy succeeds sometimes."""

from collections.abc import Sequence

import numpy as np

from rlaudio.curricula.by_contribution import MIDDLE, REFRESH_EVERY, WIDTH, contribution_weight
from rlaudio.curricula.by_trainability import SOLVED, UNSOLVED, trainability_weight
from rlaudio.curricula.selector import Observed, Weighted
from rlaudio.curricula.stage import RL_STEPS, SFT_EPOCHS, Stage, check_labelled, random_mixture
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
    check_labelled(questions, contributions)
    mixed, rest = random_mixture(questions, contributions, sft_questions, rng)
    gain = contribution_weight(contributions, middle, width)

    def weigh(rest: Sequence[Question], seen: Observed) -> list[float]:
        return [gain(q, seen) * trainability_weight(q, seen, solved, unsolved) for q in rest]

    selector = Weighted(weigh=weigh, contribution_every=refresh_every)
    return [
        Stage("sft", mixed, epochs=sft_epochs, steps=sft_steps),
        Stage("rl", rest, steps=rl_steps, selector=selector),
    ]
