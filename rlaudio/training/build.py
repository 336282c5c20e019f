"""What each kind of stage trains with: SFT learns from a teacher's completions, RL from scored samples."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from rlaudio.algorithms.dry_run import rehearse
from rlaudio.algorithms.sft import SFT
from rlaudio.answers import sft_target
from rlaudio.config.plugins import Bound
from rlaudio.config.recipe import Recipe
from rlaudio.curricula.stage import Stage
from rlaudio.models.family import ModelFamily
from rlaudio.prompts.builder import PromptBuilder
from rlaudio.rollout.one_step_off import OneStepOff
from rlaudio.rollout.targets import Targets
from rlaudio.rollout.worker import RolloutWorker
from rlaudio.scorers.trial import try_scorers
from rlaudio.scoring import RewardError, RewardSum, made_up_group
from rlaudio.training.learner import Batching, Correction, Learner
from rlaudio.training.loop import StageSetup
from rlaudio.training.policy import Distribution
from rlaudio.training.signals import ContributionEstimator, OptionProbabilities, SilentRollouts
from rlaudio.training.strategies.strategy import OptimizerSettings
from rlaudio.types import Contribution, Group, Question, SamplingParams, ScoredGroup
from rlaudio.utils.processes import ALONE, Processes
from rlaudio.utils.randomness import generator

logger = logging.getLogger(__name__)


def check_stages_can_train(
    recipe: Recipe, questions: Sequence[Question], processes: Processes = ALONE
) -> None:
    """Refuse now what would stop a run later: scorers, rewards or a group that cannot be used, no target.

    The curriculum is tried on the questions with stand-in labels where they have none yet.
    Raises ValueError.
    """
    try_scorers(recipe.scorers(), questions)
    stand_ins: tuple[Contribution, ...] = ("weak", "strong")
    labelled = [
        q if q.contribution else replace(q, contribution=stand_ins[n % 2]) for n, q in enumerate(questions)
    ]
    for stage in recipe.curriculum(labelled, generator(recipe.seed, "curriculum")):
        if stage.kind == "sft":
            _check_share("sft.questions", recipe.sft.questions, processes)
            for question in stage.questions:
                sft_target(question, recipe.sft.target)
        elif not recipe.rewards:
            raise ValueError("the curriculum has an RL stage and the recipe no rewards; name at least one")
        else:
            _check_share("sampling.questions", recipe.sampling.questions, processes)
            _check_step(recipe, len(questions))
            processes.from_first(partial(_rehearse_rewards, recipe, stage.questions[:1]))
            _rehearse(recipe)


def build_sft_stage(
    name: str, stage: Stage, recipe: Recipe, family: ModelFamily, processes: Processes = ALONE
) -> StageSetup:
    """Cross-entropy on the questions' targets."""
    questions = recipe.sft.questions
    settings = _optimizer(recipe, stage.total_steps(questions), recipe.sft.lr, recipe.sft.warmup)
    return StageSetup(
        name=name,
        stage=stage,
        questions=questions,
        steps=settings.steps,
        worker=Targets(family, recipe.sft.target),
        sampling=SamplingParams(group_size=1),
        scorer=_Unscored(),
        algorithm=SFT(),
        learner=Learner(
            family, SFT(), settings, batching=_batching(recipe), strategy=recipe.strategy, processes=processes
        ),
    )


def build_rl_stage(
    name: str,
    stage: Stage,
    recipe: Recipe,
    family: ModelFamily,
    worker: RolloutWorker,
    reference: ModelFamily | None,
    prompts: PromptBuilder,
    processes: Processes = ALONE,
) -> StageSetup:
    """The recipe's algorithm on completions that `worker` samples and the recipe's rewards score."""
    questions = recipe.sampling.questions
    settings = _optimizer(recipe, stage.total_steps(questions), None, None)
    algorithm = recipe.algorithm()
    sampling = SamplingParams(**recipe.sampling.model_dump(exclude={"questions", "rounds", "max_lag"}))
    scorer = RewardSum(_rewards(recipe), recipe.reward_failures, processes)
    paper = recipe.mismatch.logprobs == "paper"
    learner = Learner(
        family,
        algorithm,
        replace(settings, value_lr=algorithm.value_lr) if "values" in algorithm.needs else settings,
        reference=reference,
        silent_prompt=prompts.silent,
        distribution=Distribution(temperature=sampling.temperature, on_support=not paper),
        correction=Correction(by="off" if paper else recipe.mismatch.correct, cap=recipe.mismatch.cap),
        batching=_batching(recipe, recipe.training.epochs, recipe.training.mini_batches),
        strategy=recipe.strategy,
        processes=processes,
    )
    ahead = worker if isinstance(worker, OneStepOff) else None
    return StageSetup(
        name=name,
        stage=stage,
        questions=questions,
        steps=settings.steps,
        worker=worker,
        sampling=sampling,
        scorer=scorer,
        algorithm=algorithm,
        learner=learner,
        rounds=recipe.sampling.rounds,
        ahead=ahead,
        contribution_estimator=_contribution_estimator(recipe, learner, worker, scorer, prompts, sampling),
        max_rollouts=recipe.training.max_rollouts or math.inf,
        max_tokens=recipe.training.max_tokens or math.inf,
        mismatch_alarm=math.inf if ahead else recipe.mismatch.alarm,  # an update lies between: that differs
    )


def _check_share(key: str, questions: int, processes: Processes) -> None:
    """Refuse a number of questions of which some process would get more than others. Raises ValueError."""
    if questions % processes.size:
        raise ValueError(
            f"{key} is {questions} and there are {processes.size} processes; expected a multiple of "
            f"{processes.size}, such as {questions - questions % processes.size + processes.size}"
        )


def _check_step(recipe: Recipe, questions: int) -> None:
    """Refuse a step of more questions than there are, or of fewer than it has updates. Raises ValueError."""
    step, updates = recipe.sampling.questions, recipe.training.mini_batches
    if step > questions:
        raise ValueError(f"sampling.questions is {step} and data.train has {questions}; expected no more")
    if updates > step:
        raise ValueError(
            f"training.mini_batches is {updates} and a step has {step} groups; expected no more than those"
        )


def _rehearse_rewards(recipe: Recipe, questions: Sequence[Question]) -> None:
    """Try the rewards on made-up completions, one of them right. Raises ValueError for one that fails.

    Where the recipe allows failures, one that fails is only told.
    """
    scorer = RewardSum(_rewards(recipe))
    for question in questions:
        texts = [sft_target(question), *["I hear nothing."] * (recipe.sampling.group_size - 1)]
        try:
            scorer.score([made_up_group(question, texts)])
        except RewardError as error:
            message = f"tried on a made-up completion, {error}"
            if not recipe.reward_failures:
                raise RewardError(message) from error
            logger.warning("%s", message)


def _rehearse(recipe: Recipe) -> None:
    """Try the algorithm, and what it asks for, before anything is computed. Raises ValueError."""
    algorithm, settings = recipe.algorithm(), recipe.contribution
    if isinstance(algorithm, SFT):
        raise ValueError("algorithm.use is sft, which makes every sample likelier; expected one for RL")
    rollouts = "contribution" in getattr(algorithm, "needs", ()) and settings.on_policy == "rollouts"
    if rollouts and settings.success not in recipe.rewards:
        raise ValueError(
            f"contribution.success names the reward {settings.success!r}, which the recipe has not; "
            f"expected one of {', '.join(recipe.rewards)}"
        )
    weights = {name: spec.weight for name, spec in recipe.rewards.items()}
    name = recipe.algorithm.use
    rehearse(algorithm, name, group_size=recipe.sampling.group_size, reward_weights=weights)


def _contribution_estimator(
    recipe: Recipe,
    learner: Learner,
    worker: RolloutWorker,
    scorer: RewardSum,
    prompts: PromptBuilder,
    sampling: SamplingParams,
) -> ContributionEstimator | None:
    """How the audio's contribution is measured on policy, where the algorithm asks for it."""
    if "contribution" not in learner.algorithm.needs:
        return None
    settings = recipe.contribution
    if settings.on_policy == "options":
        return OptionProbabilities(learner, prompts.silent, _spelled)
    return SilentRollouts(worker, scorer, prompts.silent, sampling, settings.silent_samples, settings.success)


def _spelled(question: Question, choice: str) -> str:
    """An option as a completion that answers with it."""
    return sft_target(replace(question, answer=choice))


def _rewards(recipe: Recipe) -> dict[str, tuple[Bound, float]]:
    return {name: (reward, recipe.rewards[name].weight) for name, reward in recipe.reward_plugins().items()}


class _Unscored:
    """Completions of a teacher need no reward."""

    def score(self, groups: Sequence[Group]) -> list[ScoredGroup]:
        return [ScoredGroup(group, {}, np.zeros(len(group.completions))) for group in groups]


def _optimizer(recipe: Recipe, steps: int, lr: float | None, warmup: float | None) -> OptimizerSettings:
    own = {"lr": lr, "warmup": warmup}
    return OptimizerSettings(
        steps=steps, **recipe.optimizer.model_dump() | {k: v for k, v in own.items() if v is not None}
    )


def _batching(recipe: Recipe, epochs: int = 1, mini_batches: int = 1) -> Batching:
    return Batching(
        micro_batch_tokens=recipe.training.micro_batch_tokens,
        logprob_chunk=recipe.training.logprob_chunk,
        prompt_once=recipe.training.prompt_once,
        epochs=epochs,
        mini_batches=mini_batches,
    )
