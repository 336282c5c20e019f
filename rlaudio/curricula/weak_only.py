"""SFT and then RL on weak questions alone: what RL gains where the audio does not matter."""

from collections.abc import Sequence

import numpy as np

from rlaudio.curricula.stage import RL_STEPS, SFT_EPOCHS, Stage, random_split, with_contribution
from rlaudio.types import Contributions, Question


def weak_only(
    questions: Sequence[Question],
    contributions: Contributions,
    rng: np.random.Generator,
    *,
    sft_epochs: float = SFT_EPOCHS,
    sft_steps: int | None = None,
    sft_questions: int | None = None,
    rl_steps: int = RL_STEPS,
) -> list[Stage]:
    """SFT on `sft_questions` weak questions drawn at random (default: half of them), RL on the other ones.

    A control of weak-to-strong, not in the paper: the same kind of warm start, and only the questions of RL
    differ. No question may be in both stages, so the weak ones are shared out; give the arms equal steps
    and draw no stage more than once over, and the smaller sets do not show. RL on weak questions without
    a warm start is `{use: rl_only, on: weak}`. `sft_steps` overrules `sft_epochs`.
    """
    weak = with_contribution(questions, contributions, "weak")
    first, rest = random_split(weak, len(weak) // 2 if sft_questions is None else sft_questions, rng)
    return [Stage("sft", first, epochs=sft_epochs, steps=sft_steps), Stage("rl", rest, steps=rl_steps)]
