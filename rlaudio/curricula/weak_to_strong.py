"""SFT where text gives the answer away, then RL where the audio matters (arXiv:2509.21060)."""

from collections.abc import Sequence

import numpy as np

from rlaudio.curricula.stage import RL_STEPS, SFT_EPOCHS, Stage, with_contribution
from rlaudio.types import Contributions, Question


def weak_to_strong(
    questions: Sequence[Question],
    contributions: Contributions,
    rng: np.random.Generator,
    *,
    sft_epochs: float = SFT_EPOCHS,
    sft_steps: int | None = None,
    rl_steps: int = RL_STEPS,
) -> list[Stage]:
    """SFT on all weak questions, RL on all strong ones. `sft_steps` overrules `sft_epochs`."""
    return [
        Stage("sft", with_contribution(questions, contributions, "weak"), epochs=sft_epochs, steps=sft_steps),
        Stage("rl", with_contribution(questions, contributions, "strong"), steps=rl_steps),
    ]
