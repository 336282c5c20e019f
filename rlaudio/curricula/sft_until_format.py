"""SFT on weak questions until the form of an answer stands, then RL where the audio matters."""

from collections.abc import Sequence

import numpy as np

from rlaudio.curricula.selector import Observed, Weighted
from rlaudio.curricula.stage import RL_STEPS, SFT_EPOCHS, Stage, with_contribution
from rlaudio.types import Contributions, Question


def sft_until_format(
    questions: Sequence[Question],
    contributions: Contributions,
    rng: np.random.Generator,
    *,
    unparsed: float = 0.02,
    sft_epochs: float = SFT_EPOCHS,
    sft_steps: int | None = None,
    rl_steps: int = RL_STEPS,
) -> list[Stage]:
    """Weak-to-strong, whose SFT ends once at most `unparsed` of the held-out answers name no option.

    That is `eval/unparsed`, measured every `evaluation.every` steps; SFT is never longer than there.
    """

    def stands(seen: Observed) -> bool:
        return seen.metrics.get("eval/unparsed", 1.0) <= unparsed

    return [
        Stage(
            "sft",
            with_contribution(questions, contributions, "weak"),
            epochs=sft_epochs,
            steps=sft_steps,
            selector=Weighted(ends=stands, reads_evaluation=True),
        ),
        Stage("rl", with_contribution(questions, contributions, "strong"), steps=rl_steps),
    ]
