"""SFT on a random mixture, then RL on the rest of it: the paper's control (arXiv:2509.21060)."""

from collections.abc import Sequence

import numpy as np

from rlaudio.curricula.stage import RL_STEPS, SFT_EPOCHS, Stage, random_mixture
from rlaudio.types import Contributions, Question


def mixed_to_mixed(
    questions: Sequence[Question],
    contributions: Contributions,
    rng: np.random.Generator,
    *,
    sft_epochs: float = SFT_EPOCHS,
    sft_steps: int | None = None,
    sft_questions: int | None = None,
    rl_steps: int = RL_STEPS,
) -> list[Stage]:
    """SFT on `sft_questions` drawn at random (default: as many as there are weak ones), RL on the rest."""
    mixed, rest = random_mixture(questions, contributions, sft_questions, rng)
    return [Stage("sft", mixed, epochs=sft_epochs, steps=sft_steps), Stage("rl", rest, steps=rl_steps)]
