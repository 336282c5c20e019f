"""SFT on a random mixture, then RL where the audio matters (arXiv:2509.21060)."""

from collections.abc import Sequence

import numpy as np

from rlaudio.curricula.stage import RL_STEPS, SFT_EPOCHS, Stage, random_mixture, with_contribution
from rlaudio.types import Contributions, Question


def mixed_to_strong(
    questions: Sequence[Question],
    contributions: Contributions,
    rng: np.random.Generator,
    *,
    sft_epochs: float = SFT_EPOCHS,
    sft_steps: int | None = None,
    sft_questions: int | None = None,
    rl_steps: int = RL_STEPS,
) -> list[Stage]:
    """SFT on `sft_questions` drawn at random, RL on the strong ones among the rest.

    By default the SFT set is as large as the set of weak questions, which is the paper's fixed SFT size.
    """
    mixed, rest = random_mixture(questions, contributions, sft_questions, rng)
    return [
        Stage("sft", mixed, epochs=sft_epochs, steps=sft_steps),
        Stage("rl", with_contribution(rest, contributions, "strong"), steps=rl_steps),
    ]
