"""What each kind of stage trains with: SFT learns from a teacher's completions, RL from scored samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rlaudio.algorithms.sft import SFT
from rlaudio.answers import sft_target
from rlaudio.curricula.stage import Stage
from rlaudio.models.family import ModelFamily
from rlaudio.randomness import generator
from rlaudio.recipe import Recipe
from rlaudio.rollout.targets import Targets
from rlaudio.rollout.worker import RolloutWorker
from rlaudio.scoring import Scorer
from rlaudio.training.learner import Learner, OptimizerSettings
from rlaudio.training.loop import Course
from rlaudio.types import Contribution, Group, Question, Sampling, ScoredGroup


def check_stages_can_train(recipe: Recipe, questions: Sequence[Question]) -> None:
    """Refuse now what would stop a stage later: no rewards or wrong ones for RL, no target for SFT.

    The curriculum is tried on the questions with stand-in labels where they have none yet.
    Raises ValueError.
    """
    stand_ins: tuple[Contribution, ...] = ("weak", "strong")
    labelled = [
        q if q.contribution else replace(q, contribution=stand_ins[n % 2]) for n, q in enumerate(questions)
    ]
    for stage in recipe.curriculum(labelled, generator(recipe.seed, "curriculum")):
        if stage.kind == "sft":
            for question in stage.questions:
                sft_target(question, recipe.sft.target)
        elif not recipe.rewards:
            raise ValueError("the curriculum has an RL stage and the recipe no rewards; name at least one")
        else:
            recipe.algorithm()
            _scorer(recipe)


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
        scorer=_scorer(recipe),
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


def _scorer(recipe: Recipe) -> Scorer:
    rewards = {name: (spec.reward, spec.weight) for name, spec in recipe.rewards.items()}
    return Scorer(rewards, recipe.reward_failures)


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
