"""SFT on everything, the paper's all-data SFT (arXiv:2509.21060)."""

from collections.abc import Sequence

import numpy as np

from rlaudio.curricula.stage import SFT_EPOCHS, Stage
from rlaudio.types import Contributions, Question


def sft_only(
    questions: Sequence[Question],
    contributions: Contributions,
    rng: np.random.Generator,
    *,
    sft_epochs: float = SFT_EPOCHS,
    sft_steps: int | None = None,
) -> list[Stage]:
    """One stage of SFT on all questions; labels are not needed."""
    return [Stage("sft", tuple(questions), epochs=sft_epochs, steps=sft_steps)]
