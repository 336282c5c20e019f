"""What the stages of a run train with: policy, sampler, learner, estimator, worker."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from rlaudio.algorithms.sft import SFT
from rlaudio.builder.answering import evaluation_settings, prompt_builder
from rlaudio.builder.rl_settings import asked_in_silence, reward_sum, rl_algorithm, sampling_params
from rlaudio.config import plugins
from rlaudio.config.recipe import Recipe
from rlaudio.contribution.on_policy import ChoiceProbabilities
from rlaudio.curricula.stage import Stage
from rlaudio.models.family import ModelFamily
from rlaudio.rollout.one_step_off import OneStepOff
from rlaudio.rollout.reopening_worker import open_engine
from rlaudio.rollout.target_worker import TargetWorker
from rlaudio.rollout.transformers import Transformers
from rlaudio.rollout.worker import RolloutWorker
from rlaudio.training.debug.step_dump import MODEL, StepDump
from rlaudio.training.learner import Batching, Correction, Learner, LearnerSettings
from rlaudio.training.loop import StageSetup
from rlaudio.training.policy import Distribution
from rlaudio.training.providers import asks_for_reference
from rlaudio.training.sampling import Sampler
from rlaudio.training.signals import ContributionEstimator, SilentRollouts, options_of
from rlaudio.training.stages import KeptReference, OpenedPolicy, TrainingSetup, frozen_reference
from rlaudio.training.strategies.strategy import OptimizerSettings
from rlaudio.types import Contributions, Datasets, Group, ScoredGroup, greedy
from rlaudio.utils.lanes import lanes_of
from rlaudio.utils.processes import ALONE, Processes


def training_setup(recipe: Recipe, data: Datasets) -> TrainingSetup:
    """How the recipe trains, whatever its stages are; the training questions are labelled."""
    return TrainingSetup(
        seed=recipe.seed,
        held_out=data.held_out,
        recipe=recipe.to_yaml(),
        open_policy=partial(open_policy, recipe),
        open_stage=partial(open_stage, recipe, data.train.contributions),
        evaluation=evaluation_settings(recipe),
        evaluate_every=recipe.evaluation.every,
        save_every=recipe.training.save_every,
        keep=recipe.training.keep,
        profile_steps=recipe.profile.steps,
        run_tokens=recipe.training.run_tokens,
    )


def open_policy(recipe: Recipe, processes: Processes, checkpoint: Path | None = None) -> OpenedPolicy:
    """The policy, from the model's folder of a checkpoint or as the recipe names it."""
    family = recipe.model(path=str(checkpoint)) if checkpoint else recipe.model()
    return OpenedPolicy(family, prompt_builder(recipe, family), processes)


def open_stage(
    recipe: Recipe,
    contributions: Contributions,
    name: str,
    stage: Stage,
    policy: OpenedPolicy,
    kept_reference: KeptReference,
) -> StageSetup:
    """What a stage trains with, among it a frozen reference if the algorithm asks for one."""
    if stage.kind == "sft":
        return replace(build_sft_stage(recipe, name, stage, policy), contributions=contributions)
    reference = None
    if asks_for_reference(recipe.algorithm()):
        reference = frozen_reference(policy, kept_reference)
    if recipe.sampling.max_lag:  # a worker that samples ahead needs its own model
        worker: RolloutWorker = OneStepOff(open_engine(recipe.rollout, recipe.model(), policy.processes))
    else:
        worker = open_engine(recipe.rollout, policy.family, policy.processes)
    setup = build_rl_stage(recipe, name, stage, policy, worker, reference)
    return replace(setup, contributions=contributions)


def build_sft_stage(recipe: Recipe, name: str, stage: Stage, policy: OpenedPolicy) -> StageSetup:
    """Cross-entropy on the questions' targets."""
    per_step = recipe.sft.questions
    optimizer = _optimizer(recipe, stage.total_steps(per_step), lr=recipe.sft.lr, warmup=recipe.sft.warmup)
    sampler = Sampler(
        stage=stage,
        prompts=policy.prompts,
        worker=TargetWorker(policy.family, recipe.sft.target),
        rewards=_Unscored(),
        params=greedy(recipe.sampling.max_new_tokens),
        questions_per_step=per_step,
        rounds=1,
        max_lag=0,
        processes=policy.processes,
    )
    settings = LearnerSettings(
        optimizer=optimizer,
        batching=_batching(recipe, epochs=1, mini_batches=1),
        strategy=recipe.strategy,
    )
    learner = Learner(policy.family, SFT(), settings, processes=policy.processes)
    return StageSetup(name=name, steps=optimizer.steps, sampler=sampler, learner=learner)


def build_rl_stage(
    recipe: Recipe,
    name: str,
    stage: Stage,
    policy: OpenedPolicy,
    worker: RolloutWorker,
    reference: ModelFamily | None,
) -> StageSetup:
    """The recipe's algorithm on completions that `worker` samples and the recipe's rewards score."""
    sampling, training = recipe.sampling, recipe.training
    algorithm = rl_algorithm(recipe)
    sampler = Sampler(
        stage=stage,
        prompts=policy.prompts,
        worker=worker,
        rewards=reward_sum(recipe, recipe.reward_failures, policy.processes),
        params=sampling_params(recipe),
        questions_per_step=sampling.questions,
        rounds=sampling.rounds,
        max_lag=sampling.max_lag,
        processes=policy.processes,
        silent_samples=recipe.contribution.silent_samples,
    )
    paper = recipe.mismatch.logprobs == "paper"
    optimizer = _optimizer(recipe, stage.total_steps(sampling.questions))
    learner = Learner(
        policy.family,
        algorithm,
        LearnerSettings(
            optimizer=optimizer,
            batching=_batching(recipe, training.epochs, training.mini_batches),
            distribution=Distribution(temperature=sampling.temperature, on_support=not paper),
            correction=Correction(by="off" if paper else recipe.mismatch.correct, cap=recipe.mismatch.cap),
            strategy=recipe.strategy,
        ),
        reference=reference,
        silent_prompt=policy.prompts.silent,
        processes=policy.processes,
    )
    return StageSetup(
        name=name,
        steps=optimizer.steps,
        sampler=sampler,
        learner=learner,
        contribution_estimator=_contribution_estimator(recipe, learner, sampler),
        success=recipe.contribution.success,
        max_rollouts=training.max_rollouts or math.inf,
        max_tokens=training.max_tokens or math.inf,
        # one update apart, log-probs differ by design
        mismatch_alarm=math.inf if sampling.max_lag else recipe.mismatch.alarm,
    )


def learner_of(recipe: Recipe, dump: StepDump, folder: Path) -> Learner:
    """The run's learner at the step that was dumped into the folder, without optimizer state."""
    family: ModelFamily = recipe.model(path=str(folder / MODEL))
    recipe = recipe.model_copy(update={"strategy": plugins.bind("strategy", "plain")})
    policy = OpenedPolicy(family, prompt_builder(recipe, family), ALONE)
    stage = Stage(dump.kind, tuple(row.prompt.question for row in dump.rows), steps=1)
    if dump.kind == "sft":
        return build_sft_stage(recipe, folder.name, stage, policy).learner
    # worker and reference are not called: the rows hold what they computed
    return build_rl_stage(recipe, folder.name, stage, policy, Transformers(family), family).learner


def _optimizer(
    recipe: Recipe,
    steps: int,
    *,
    lr: float | None = None,
    warmup: float | None = None,
) -> OptimizerSettings:
    """The recipe's optimizer for that many steps; `lr` and `warmup` override the recipe's, if given."""
    section = recipe.optimizer
    return OptimizerSettings(
        lr=section.lr if lr is None else lr,
        steps=steps,
        warmup=section.warmup if warmup is None else warmup,
        schedule=section.schedule,
        weight_decay=section.weight_decay,
        betas=section.betas,
        max_grad_norm=section.max_grad_norm,
    )


def _batching(recipe: Recipe, epochs: int, mini_batches: int) -> Batching:
    return Batching(
        micro_batch_tokens=recipe.training.micro_batch_tokens,
        logprob_chunk=recipe.training.logprob_chunk,
        prompt_once=recipe.training.prompt_once,
        epochs=epochs,
        mini_batches=mini_batches,
        lanes=lanes_of(recipe.threads),
    )


def _contribution_estimator(
    recipe: Recipe, learner: Learner, sampler: Sampler
) -> ContributionEstimator | None:
    """The estimator of the audio's contribution on policy; None where nobody asks for it."""
    settings, silent = recipe.contribution, sampler.prompts.silent
    selector = sampler.stage.selector
    match asked_in_silence(recipe, selector.contribution_every if selector else 0).contribution:
        case "options":
            return ChoiceProbabilities(options_of(learner), silent)
        case "rollouts":
            return SilentRollouts(
                sampler.worker,
                reward_sum(recipe, recipe.reward_failures, learner.strategy.processes, only=settings.success),
                silent,
                sampler.params,
                settings.silent_samples,
                settings.success,
            )
    return None


class _Unscored:
    """Scores without rewards, for SFT targets."""

    hears_silence = False

    def score(self, groups: Sequence[Group], silent: Sequence[Group] | None = None) -> list[ScoredGroup]:
        return [ScoredGroup(group, {}, np.zeros(len(group.completions))) for group in groups]
