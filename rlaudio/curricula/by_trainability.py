"""RL that draws questions which the policy answers sometimes: solved and unsolved ones seldom."""

from collections.abc import Sequence

import numpy as np

from rlaudio.curricula.selector import Observed, Weighted
from rlaudio.curricula.stage import RL_STEPS, SFT_EPOCHS, Stage, with_contribution
from rlaudio.types import Contributions, Question

SOLVED, UNSOLVED = 0.1, 0.2  # weights of questions of whose completions all or none succeeded


def by_trainability(
    questions: Sequence[Question],
    contributions: Contributions,
    rng: np.random.Generator,
    *,
    sft_epochs: float = SFT_EPOCHS,
    sft_steps: int | None = None,
    rl_steps: int = RL_STEPS,
    solved: float = SOLVED,
    unsolved: float = UNSOLVED,
) -> list[Stage]:
    """Weak-to-strong, whose RL draws by what the latest rollouts of a question were.

    A question whose G completions all succeeded has the weight `solved`, one of which none did `unsolved`,
    and one in between, as one not yet seen, 1: only groups with both teach a group-relative algorithm.
    """

    def weigh(strong: Sequence[Question], seen: Observed) -> list[float]:
        return [trainability_weight(question, seen, solved, unsolved) for question in strong]

    return [
        Stage("sft", with_contribution(questions, contributions, "weak"), epochs=sft_epochs, steps=sft_steps),
        Stage(
            "rl",
            with_contribution(questions, contributions, "strong"),
            steps=rl_steps,
            selector=Weighted(weigh=weigh),
        ),
    ]


def trainability_weight(question: Question, seen: Observed, solved: float, unsolved: float) -> float:
    """1 for a question that was learnable when it was drawn last, or was not drawn yet."""
    return {1.0: solved, 0.0: unsolved}.get(seen.success_rates.get(question.id, 0.5), 1.0)
