"""SFT where the audio matters, then RL where text gives the answer away: weak-to-strong turned around."""

from collections.abc import Sequence

import numpy as np

from rlaudio.curricula.stage import RL_STEPS, SFT_EPOCHS, Stage, with_contribution
from rlaudio.types import Contributions, Question


def strong_to_weak(
    questions: Sequence[Question],
    contributions: Contributions,
    rng: np.random.Generator,
    *,
    sft_epochs: float = SFT_EPOCHS,
    sft_steps: int | None = None,
    rl_steps: int = RL_STEPS,
) -> list[Stage]:
    """SFT on all strong questions, RL on all weak ones; not in the paper.

    A control of weak-to-strong: the same questions, steps and methods in the other order. `sft_steps`
    overrules `sft_epochs`.
    """
    return [
        Stage(
            "sft", with_contribution(questions, contributions, "strong"), epochs=sft_epochs, steps=sft_steps
        ),
        Stage("rl", with_contribution(questions, contributions, "weak"), steps=rl_steps),
    ]
