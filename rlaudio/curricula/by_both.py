"""RL that draws questions where the audio contributes and the policy succeeds sometimes."""

from collections.abc import Sequence

import numpy as np

from rlaudio.curricula.by_contribution import contribution_weight
from rlaudio.curricula.by_trainability import trainability_weight
from rlaudio.curricula.selector import Observed, Weighted
from rlaudio.curricula.stage import RL_STEPS, SFT_EPOCHS, Stage, random_split, with_contribution
from rlaudio.types import Contributions, Question


def by_both(
    questions: Sequence[Question],
    contributions: Contributions,
    rng: np.random.Generator,
    *,
    sft_epochs: float = SFT_EPOCHS,
    rl_steps: int = RL_STEPS,
    refresh_every: int = 10,
    middle: float = 0.5,
    width: float = 0.2,
    solved: float = 0.1,
    unsolved: float = 0.2,
) -> list[Stage]:
    """The stages of `by_contribution`; weights are the product of its own and those of `by_trainability`."""
    mixed, rest = random_split(questions, len(with_contribution(questions, contributions, "weak")), rng)

    def weigh(rest: Sequence[Question], seen: Observed) -> list[float]:
        return [
            contribution_weight(question, contributions, seen, middle, width)
            * trainability_weight(question, seen, solved, unsolved)
            for question in rest
        ]

    selector = Weighted(weigh=weigh, contribution_every=refresh_every)
    return [Stage("sft", mixed, epochs=sft_epochs), Stage("rl", rest, steps=rl_steps, selector=selector)]
