"""What each kind of stage trains with: SFT learns from a teacher's completions, RL from scored samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rlaudio.algorithms.sft import SFT
from rlaudio.curricula.stage import Stage
from rlaudio.models.family import ModelFamily
from rlaudio.recipe import Recipe
from rlaudio.rollout.targets import Targets
from rlaudio.rollout.worker import RolloutWorker
from rlaudio.scoring import Scorer
from rlaudio.training.learner import Learner, OptimizerSettings
from rlaudio.training.loop import Course
from rlaudio.types import Group, Sampling, ScoredGroup


def sft_course(name: str, stage: Stage, recipe: Recipe, family: ModelFamily) -> Course:
    """Cross-entropy on the questions' targets."""
    questions = recipe.sft.questions
    settings = _optimizer(recipe, stage.total_steps(questions), recipe.sft.lr, recipe.sft.warmup)
    return Course(
        name=name,
        stage=stage,
        questions=questions,
        steps=settings.steps,
        worker=Targets(family, recipe.sft.target),
        sampling=Sampling(group_size=1),
        scorer=_Unscored(),
        algorithm=SFT(),
        learner=Learner(family, SFT(), settings, **_batching(recipe)),
    )


def rl_course(
    name: str,
    stage: Stage,
    recipe: Recipe,
    family: ModelFamily,
    worker: RolloutWorker,
    reference: ModelFamily | None,
) -> Course:
    """The recipe's algorithm on completions that `worker` samples and the recipe's rewards score."""
    questions = recipe.sampling.questions
    settings = _optimizer(recipe, stage.total_steps(questions), None, None)
    algorithm = recipe.algorithm()
    return Course(
        name=name,
        stage=stage,
        questions=questions,
        steps=settings.steps,
        worker=worker,
        sampling=Sampling(**recipe.sampling.model_dump(exclude={"questions"})),
        scorer=Scorer(
            {name: (spec.reward, spec.weight) for name, spec in recipe.rewards.items()},
            recipe.reward_failures,
        ),
        algorithm=algorithm,
        learner=Learner(
            family,
            algorithm,
            settings,
            reference=reference,
            temperature=recipe.sampling.temperature,
            **_batching(recipe),
        ),
    )


class _Unscored:
    """Completions of a teacher need no reward."""

    def score(self, groups: Sequence[Group]) -> list[ScoredGroup]:
        return [ScoredGroup(group, {}, np.zeros(len(group.completions))) for group in groups]


def _optimizer(recipe: Recipe, steps: int, lr: float | None, warmup: float | None) -> OptimizerSettings:
    own = {"lr": lr, "warmup": warmup}
    return OptimizerSettings(
        steps=steps, **recipe.optimizer.model_dump() | {k: v for k, v in own.items() if v is not None}
    )


def _batching(recipe: Recipe) -> dict[str, Any]:
    return {
        "micro_batch_tokens": recipe.training.micro_batch_tokens,
        "logprob_chunk": recipe.training.logprob_chunk,
        "prompt_once": recipe.training.prompt_once,
    }
