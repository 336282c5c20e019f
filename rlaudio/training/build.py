"""The one builder: it turns a recipe into the objects that the packages take.

Code that trains, evaluates, labels or pretrains receives models, workers, settings and functions made here,
and does not read recipes.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from rlaudio.algorithms.algorithm import OF_REFERENCE, Algorithm, Need, TokenLimited
from rlaudio.algorithms.dry_run import dry_run
from rlaudio.algorithms.sft import SFT
from rlaudio.answers import sft_target
from rlaudio.config import plugins
from rlaudio.config.plugins import Bound
from rlaudio.config.recipe import Recipe
from rlaudio.contribution.labelling import LabelSettings
from rlaudio.contribution.on_policy import ChoiceProbabilities
from rlaudio.contribution.voters import Voter, folder_digest
from rlaudio.curricula.selector import Selector
from rlaudio.curricula.stage import Stage, check_stages
from rlaudio.data.audit import Audit, load_audited
from rlaudio.evaluation.asking import EvaluationSettings
from rlaudio.models.family import ModelFamily, resolve_model_path, special_tokens
from rlaudio.models.shared import lora
from rlaudio.models.shared.checkpoint_files import local_folder
from rlaudio.prompts.builder import PromptBuilder, PromptMaker
from rlaudio.rollout.endpoint_worker import EndpointModel, EndpointWorker
from rlaudio.rollout.one_step_off import OneStepOff
from rlaudio.rollout.reopened import Reopened, open_engine
from rlaudio.rollout.targets import Targets
from rlaudio.rollout.transformers import Transformers
from rlaudio.rollout.worker import RolloutWorker
from rlaudio.scorers.calling import TimedScorer, try_scorers
from rlaudio.scoring import RewardError, RewardStop, RewardSum, made_up_group
from rlaudio.training.debug.step_dump import MODEL, StepDump
from rlaudio.training.learner import Batching, Correction, Learner, LearnerSettings
from rlaudio.training.loop import StageSetup
from rlaudio.training.policy import Distribution
from rlaudio.training.sampling import Sampler
from rlaudio.training.signals import ContributionEstimator, SilentRollouts, options_of
from rlaudio.training.stages import KeptReference, OpenedPolicy, TrainingSetup, frozen_reference
from rlaudio.training.strategies.strategy import OptimizerSettings
from rlaudio.types import (
    Contribution,
    Contributions,
    Control,
    Dataset,
    Group,
    Question,
    SamplingParams,
    ScoredGroup,
    Scorer,
    Style,
    greedy,
)
from rlaudio.utils.endpoint.address import is_endpoint
from rlaudio.utils.endpoint.client import Asking
from rlaudio.utils.number_format import counted
from rlaudio.utils.processes import ALONE, Processes
from rlaudio.utils.randomness import generator
from rlaudio.worlds.pretraining import blank_model
from rlaudio.worlds.pretraining.base_and_voters import (
    Pretraining,
    build_base_and_voters,
    write_blank_base,
)
from rlaudio.worlds.pretraining.blank_model import Size
from rlaudio.worlds.pretraining.training import Schedule

logger = logging.getLogger(__name__)


# --- models that answer --------------------------------------------------------------------------


def model_that_answers(recipe: Recipe, path: str) -> ModelFamily | EndpointModel:
    """A model that does not train, without a new adapter: it would only cost time."""
    if is_endpoint(path):
        return EndpointModel(path)
    return recipe.model(path=path, **({"lora_rank": 0} if "lora_rank" in recipe.model.options else {}))


def worker_that_answers(
    recipe: Recipe,
    model: ModelFamily | EndpointModel,
    processes: Processes = ALONE,
    asking: Asking | None = None,
) -> RolloutWorker:
    """The recipe's rollout worker on a model, or one that asks the model's endpoint."""
    if isinstance(model, EndpointModel):
        return EndpointWorker(model, asking)
    return open_engine(recipe.rollout, model, processes)


def model_folders(recipe: Recipe) -> dict[str, Path]:
    """The folders of the recipe's models by the key that names them; an adapter's base comes after it.

    A model whose family has no option `path`, or that is behind an endpoint, is left out.
    """
    named = {f"contribution.voters.{n}": path for n, path in enumerate(recipe.contribution.voters)}
    named |= {"model.path": path} if (path := recipe.model.options.get("path")) else {}
    folders = {
        key: Path(local_folder(resolve_model_path(path)))
        for key, path in named.items()
        if not is_endpoint(path)
    }
    bases = {key: lora.base_of(folder) for key, folder in folders.items() if lora.is_adapter(folder)}
    return folders | {
        f"{key}, its base": Path(local_folder(resolve_model_path(base))) for key, base in bases.items()
    }


def prompt_builder(recipe: Recipe, family: PromptMaker) -> PromptBuilder:
    """The recipe's prompt builder for one model."""
    return PromptBuilder(
        family,
        system=recipe.prompt.system,
        max_seconds=recipe.audio.max_seconds,
        too_long=recipe.audio.too_long,
    )


def evaluation_settings(recipe: Recipe, controls: Sequence[Control] | None = None) -> EvaluationSettings:
    """The recipe's evaluation settings; `controls` replaces the recipe's controls."""
    return EvaluationSettings(
        controls=recipe.evaluation.controls if controls is None else controls,
        scorers=within_time(recipe, recipe.evaluation_scorers()),
        batch_questions=recipe.evaluation.batch_questions,
        max_new_tokens=recipe.sampling.max_new_tokens,
        seed=recipe.seed,
        orders=recipe.evaluation.orders if controls is None else 1,
    )


def label_settings(recipe: Recipe, folder: Path) -> LabelSettings:
    """How the recipe's voters are asked; answers and labels go into the folder."""
    settings = recipe.contribution
    [scorer] = within_time(recipe, {recipe.voting_scorer().label: recipe.voting_scorer()}).values()
    return LabelSettings(
        folder=folder,
        silence=settings.silence,
        orders=settings.orders,
        scorer=scorer,
        batch_questions=settings.batch_questions,
        max_new_tokens=recipe.sampling.max_new_tokens,
    )


def within_time(recipe: Recipe, scorers: Mapping[str, Bound]) -> dict[str, Scorer]:
    """The scorers, those of the user's files within the recipe's time limit."""
    return {
        name: TimedScorer(name, scorer.function, str(scorer.path), recipe.reward_timeout)
        if plugins.is_path(scorer.use)
        else scorer.function
        for name, scorer in scorers.items()
    }


def open_voters(
    recipe: Recipe, processes: Processes = ALONE, asking: Asking | None = None
) -> dict[str, Voter]:
    """The recipe's voters by name; weights are loaded at the first request.

    They answer through the recipe's rollout worker, or behind their endpoints. In a run of several processes
    each asks a share when it comes to it, and some engines open only in all processes together; so there the
    transformers worker answers.
    """
    voters = {}
    paths = recipe.contribution.voters
    logger.info("opening %s", counted(len(paths), "voter"))
    names = [Path(path.partition("#")[2] if is_endpoint(path) else path).name for path in paths]
    for name, path in zip(names if len(set(names)) == len(names) else paths, paths, strict=True):
        family = model_that_answers(recipe, path)
        voters[name] = Voter(
            prompts=prompt_builder(recipe, family),
            open_worker=_opens_voter(recipe, family, processes, asking),
            digest=family.digest
            if isinstance(family, EndpointModel)
            else folder_digest(Path(resolve_model_path(path))),
        )
    return voters


def _opens_voter(
    recipe: Recipe, model: ModelFamily | EndpointModel, processes: Processes, asking: Asking | None
) -> Callable[[], RolloutWorker]:
    if isinstance(model, EndpointModel):
        return partial(EndpointWorker, model, asking)
    return partial(Reopened, recipe.rollout, model) if processes.size == 1 else partial(Transformers, model)


# --- models made from nothing --------------------------------------------------------------------


def with_built_models(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with the models of its `pretrain` section, built below `folder`, as policy and voters.

    A recipe without that section is returned unchanged. Raises ValueError where it names no examples.
    """
    if recipe.pretrain is None:
        return recipe
    return _with_models(recipe, *build_base_and_voters(_pretraining(recipe), folder))


def with_blank_base(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with an untrained model, written into `folder`, for each that its `pretrain` section builds.

    A recipe without that section is returned unchanged. Raises ValueError for what could not be built.
    """
    if recipe.pretrain is None:
        return recipe
    write_blank_base(_pretraining(recipe), folder)
    return _with_models(recipe, folder, [folder] if recipe.pretrain.voters else [])


def _with_models(recipe: Recipe, base: Path, voters: Sequence[Path]) -> Recipe:
    model = replace(recipe.model, options={**recipe.model.options, "path": str(base)})
    asked = recipe.contribution.model_copy(update={"voters": [str(voter) for voter in voters]})
    return recipe.model_copy(update={"model": model, "contribution": asked})


def _pretraining(recipe: Recipe) -> Pretraining:
    section, corpus = recipe.pretrain, recipe.data.pretrain
    assert section is not None
    if corpus is None:
        raise ValueError(
            "the recipe has a pretrain section but no data.pretrain; name examples to train models on"
        )
    return Pretraining(
        corpus=corpus,
        seed=recipe.seed,
        vocabulary=section.vocabulary,
        size=Size(hidden=section.hidden, layers=section.layers, feed_forward=3 * section.hidden),
        base=Schedule(steps=section.steps, tokens=section.tokens, lr=section.lr),
        voter=Schedule(steps=section.voter_steps, tokens=section.tokens, lr=section.lr),
        voters=section.voters,
    )


# --- data ----------------------------------------------------------------------------------------


def load_data_set(
    recipe: Recipe,
    load: Callable[[], Sequence[Question]],
    special_tokens: Collection[str],
    *,
    for_training: bool,
    decode: bool = False,
) -> tuple[Dataset, Audit]:
    """What a data set of the recipe gives, and its audit under the recipe's rules."""
    return load_audited(
        partial(_asked_in, recipe.prompt.style, load),
        max_seconds=recipe.audio.max_seconds,
        too_long=recipe.audio.too_long,
        min_seconds=getattr(recipe.model.function.func, "min_clip_seconds", 0.0),
        decode=decode,
        for_training=for_training,
        special_tokens=special_tokens,
    )


def _asked_in(style: Style | None, load: Callable[[], Sequence[Question]]) -> Dataset:
    """What a data set gives, all its questions asked in that style; None: in its own."""
    data = Dataset.of(load())
    if style is None:
        return data
    return replace(data, questions=tuple(replace(question, style=style) for question in data))


def special_tokens_of(recipe: Recipe) -> frozenset[str]:
    """The control tokens of the recipe's model and voters, which no text of the data may hold."""
    if recipe.pretrain is not None:  # not built yet
        return frozenset({*blank_model.SPECIAL_TOKENS.values(), blank_model.STOP, blank_model.PADDING})
    paths = dict.fromkeys([recipe.model.options["path"], *recipe.contribution.voters])
    families = [model_that_answers(recipe, path) for path in paths]
    return frozenset().union(*(special_tokens(family.tokenizer) for family in families))


# --- training ------------------------------------------------------------------------------------


def training_setup(recipe: Recipe, contributions: Contributions) -> TrainingSetup:
    """How the recipe trains, whatever its stages are; `contributions` are those of the training questions."""
    return TrainingSetup(
        seed=recipe.seed,
        recipe=recipe.to_yaml(),
        open_policy=partial(open_policy, recipe),
        open_stage=partial(open_stage, recipe, contributions),
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
    if OF_REFERENCE & recipe.algorithm().needs:
        reference = frozen_reference(policy, kept_reference)
    if recipe.sampling.max_lag:  # a worker that samples ahead needs its own model
        worker: RolloutWorker = OneStepOff(open_engine(recipe.rollout, recipe.model(), policy.processes))
    else:
        worker = open_engine(recipe.rollout, policy.family, policy.processes)
    setup = build_rl_stage(recipe, name, stage, policy, worker, reference)
    return replace(setup, contributions=contributions)


def build_sft_stage(recipe: Recipe, name: str, stage: Stage, policy: OpenedPolicy) -> StageSetup:
    """Cross-entropy on the questions' targets."""
    questions = recipe.sft.questions
    optimizer = _optimizer(recipe, stage.total_steps(questions), lr=recipe.sft.lr, warmup=recipe.sft.warmup)
    sampler = Sampler(
        stage=stage,
        prompts=policy.prompts,
        worker=Targets(policy.family, recipe.sft.target),
        rewards=_Unscored(),
        params=greedy(recipe.sampling.max_new_tokens),
        questions=questions,
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
        questions=sampling.questions,
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
    ahead = worker if isinstance(worker, OneStepOff) else None
    return StageSetup(
        name=name,
        steps=optimizer.steps,
        sampler=sampler,
        learner=learner,
        ahead=ahead,
        contribution_estimator=_contribution_estimator(recipe, learner, sampler),
        success=recipe.contribution.success,
        max_rollouts=training.max_rollouts or math.inf,
        max_tokens=training.max_tokens or math.inf,
        mismatch_alarm=math.inf
        if ahead
        else recipe.mismatch.alarm,  # one update apart, so the log-probs differ by design
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


def sampling_params(recipe: Recipe) -> SamplingParams:
    """How completions are sampled in training."""
    sampling = recipe.sampling
    return SamplingParams(
        group_size=sampling.group_size,
        temperature=sampling.temperature,
        top_k=sampling.top_k,
        top_p=sampling.top_p,
        max_new_tokens=sampling.max_new_tokens,
    )


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


def reward_sum(
    recipe: Recipe, failure_rate: float = 0.0, processes: Processes = ALONE, *, only: str | None = None
) -> RewardSum:
    """The recipe's rewards; `only` names one of them, without the others."""
    rewards = {
        name: (plugin.function, recipe.rewards[name].weight)
        for name, plugin in recipe.reward_plugins().items()
        if only is None or name == only
    }
    return RewardSum(rewards, failure_rate, processes, recipe.reward_timeout)


class _Unscored:
    """Scores without rewards, for SFT targets."""

    hears_silence = False

    def score(self, groups: Sequence[Group], silent: Sequence[Group] | None = None) -> list[ScoredGroup]:
        return [ScoredGroup(group, {}, np.zeros(len(group.completions))) for group in groups]


# --- checks before a run -------------------------------------------------------------------------


def check_stages_can_train(
    recipe: Recipe, questions: Sequence[Question], processes: Processes = ALONE, *, whole: bool = True
) -> None:
    """Raise now what would stop a run later: unusable scorers, rewards or group sizes, missing targets.

    The curriculum is tried on the questions with stand-in labels where they have none yet. Unless they are
    the `whole` set, how many there are is not judged.
    Raises ValueError.
    """
    try_scorers(within_time(recipe, recipe.scorers()), questions)
    stated = Dataset.of(questions).contributions
    stand_ins = {q.id: Contribution(q.id, "strong" if n % 2 else "weak") for n, q in enumerate(questions)}
    to_be_labelled = labels_to_come(recipe, questions)
    contributions = {**stand_ins, **stated} if to_be_labelled else stated
    stages = recipe.curriculum(questions, contributions, generator(recipe.seed, "curriculum"))
    if whole and (not to_be_labelled or all(s.questions for s in stages)):  # votes may fill what is empty now
        check_stages(stages, recipe.curriculum.use)
    for stage in stages:
        if stage.selector:
            _check_selector(recipe, stage, stage.selector)
        if stage.kind == "sft":
            _check_share("sft.questions", recipe.sft.questions, processes)
            for question in stage.questions:
                sft_target(question, recipe.sft.target)
        elif not recipe.rewards:
            raise ValueError("the curriculum has an RL stage and the recipe no rewards; name at least one")
        else:
            _check_share("sampling.questions", recipe.sampling.questions, processes)
            if whole:
                _check_step(recipe, len(questions))
            _check_lag(recipe)
            if processes.first:
                _dry_run_rewards(recipe, stage.questions[:1])
            _dry_run_algorithm(recipe)


def labels_to_come(recipe: Recipe, questions: Sequence[Question]) -> int:
    """How many of the questions voters label before training. Raises ValueError for too few voters."""
    stated = Dataset.of(questions).contributions
    relabel = recipe.contribution.on_labelled == "relabel"
    return sum(relabel or q.id not in stated for q in questions) if _voters(recipe) else 0


def _voters(recipe: Recipe) -> int:
    """How many voters are asked, those that are built first included. Raises ValueError for too few."""
    voters = recipe.pretrain.voters if recipe.pretrain else len(recipe.contribution.voters)
    threshold = recipe.contribution.threshold
    if voters and threshold and threshold > voters:
        raise ValueError(
            f"contribution.threshold is {threshold}, out of reach of {counted(voters, 'voter')}; lower it, "
            "or raise pretrain.voters"
        )
    return voters


def rl_algorithm(recipe: Recipe) -> Algorithm:
    """The recipe's algorithm, with the recipe's token limit."""
    algorithm: Algorithm = recipe.algorithm()
    if isinstance(algorithm, TokenLimited):
        return algorithm.with_token_limit(recipe.sampling.max_new_tokens)
    return algorithm


def contribution_by(recipe: Recipe) -> Literal["rollouts", "options"] | None:
    """How the audio's contribution is measured on policy; None where the algorithm does not need it."""
    needed = Need.CONTRIBUTION in recipe.algorithm().needs
    return recipe.contribution.on_policy if needed else None


@dataclass(frozen=True)
class AskedInSilence:
    """What each question of a step of RL is asked in silence, beside its completions with the audio."""

    for_rewards: int  # completions, in every step
    contribution: Literal["rollouts", "options"] | None  # how the audio's contribution is measured
    every: int  # steps from one measurement to the next
    samples: int  # completions of a measurement

    def completions(self, steps: int) -> int:
        """Of one question in each of the first so many steps, together."""
        return steps * self.for_rewards + math.ceil(steps / self.every) * self.samples


def asked_in_silence(recipe: Recipe, refresh_every: int) -> AskedInSilence:
    """What a stage asks in silence whose curriculum observes contribution every so many steps; 0: never."""
    every = 1 if contribution_by(recipe) else refresh_every
    by, samples = recipe.contribution.on_policy if every else None, recipe.contribution.silent_samples
    return AskedInSilence(
        for_rewards=samples if recipe.hears_silence() else 0,
        contribution=by,
        every=max(1, every),
        samples=samples if by == "rollouts" else 0,
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


def _check_selector(recipe: Recipe, stage: Stage, selector: Selector) -> None:
    """Refuse settings under which a curriculum would not see what it waits for. Raises ValueError."""
    name, success = f"curriculum {recipe.curriculum.use}", recipe.contribution.success
    if selector.reads_evaluation and not recipe.evaluation.every:
        raise ValueError(
            f"{name} ends its {stage.kind} stage by a held-out evaluation, and evaluation.every is 0; "
            "expected every how many steps it is made"
        )
    if selector.reads_evaluation and "audio" not in recipe.evaluation.controls:
        raise ValueError(
            f"{name} ends its {stage.kind} stage by held-out answers to the audio, and evaluation.controls "
            f"is {list(recipe.evaluation.controls)}; expected audio among them"
        )
    if stage.kind == "rl" and recipe.sampling.max_lag:
        raise ValueError(
            f"{name} chooses questions by the step before, and sampling.max_lag is "
            f"{recipe.sampling.max_lag}, which samples while that step trains; expected 0"
        )
    if stage.kind == "rl" and recipe.sampling.rounds > 1:
        raise ValueError(
            f"{name} chooses the questions of a step together, and sampling.rounds is "
            f"{recipe.sampling.rounds}, which would draw some of them again in the same step; expected 1"
        )
    if stage.kind == "rl" and success not in recipe.rewards:
        raise ValueError(_no_success(recipe))
    try:
        selector.load_state_dict(json.loads(json.dumps(selector.state_dict())))
    except TypeError as error:
        raise ValueError(
            f"{name}: its state_dict is not JSON ({error}); expected numbers and texts"
        ) from error
    if stage.questions:
        count = recipe.sampling.questions if stage.kind == "rl" else recipe.sft.questions
        stage.draw(0, count, recipe.seed, "tried")


def _check_lag(recipe: Recipe) -> None:
    """Refuse older weights where a reward compares answers by the same ones. Raises ValueError."""
    if recipe.sampling.max_lag and reward_sum(recipe).hears_silence:
        raise ValueError(
            f"sampling.max_lag is {recipe.sampling.max_lag} and a reward compares with answers in silence, "
            "which would come from newer weights than the completions; expected 0, or rewards that hear none"
        )


def _no_success(recipe: Recipe) -> str:
    return (
        f"contribution.success names the reward {recipe.contribution.success!r}, which the recipe has not; "
        f"expected one of {', '.join(recipe.rewards)}"
    )


def _dry_run_rewards(recipe: Recipe, questions: Sequence[Question]) -> None:
    """Try the rewards on made-up completions, one of them right. Raises ValueError for one that fails.

    Where the recipe allows failures, a failing reward is only logged, unless it ends a run.
    """
    rewards = reward_sum(recipe)
    for question in questions:
        texts = [sft_target(question), *["I hear nothing."] * (recipe.sampling.group_size - 1)]
        try:
            group = made_up_group(question, texts)
            rewards.score([group], [group])
        except RewardError as error:
            message = f"tried on a made-up completion, {error}"
            if isinstance(error, RewardStop) or not recipe.reward_failures:
                raise type(error)(message) from error
            logger.warning("%s", message)


def _dry_run_algorithm(recipe: Recipe) -> None:
    """Dry-run the algorithm, and check what it needs, before anything is computed. Raises ValueError."""
    algorithm, success = rl_algorithm(recipe), recipe.contribution.success
    if isinstance(algorithm, SFT):
        raise ValueError("algorithm.use is sft, which makes every sample likelier; expected one for RL")
    weights = {name: spec.weight for name, spec in recipe.rewards.items()}
    name = recipe.algorithm.use
    dry_run(algorithm, name, group_size=recipe.sampling.group_size, reward_weights=weights)
    if contribution_by(recipe) == "rollouts" and success not in recipe.rewards:
        raise ValueError(_no_success(recipe))
