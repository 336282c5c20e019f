"""RL on everything from the base model, the paper's all-data GRPO (arXiv:2509.21060)."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from rlaudio.curricula.stage import Stage, with_contribution
from rlaudio.types import Contributions, Question


def rl_only(
    questions: Sequence[Question],
    contributions: Contributions,
    rng: np.random.Generator,
    *,
    rl_steps: int = 1200,
    on: Literal["all", "weak", "strong"] = "all",
) -> list[Stage]:
    """One stage of RL on all questions, or on the weak or strong ones alone."""
    chosen = tuple(questions) if on == "all" else with_contribution(questions, contributions, on)
    return [Stage("rl", chosen, steps=rl_steps)]
