"""What would stop a stage later, raised before anything is computed."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence

from rlaudio.algorithms.dry_run import dry_run
from rlaudio.algorithms.sft import SFT
from rlaudio.answers import sft_target
from rlaudio.builder.answering import within_time
from rlaudio.builder.curriculum_stages import curriculum_stages
from rlaudio.builder.rl_settings import asked_in_silence, contribution_by, reward_sum, rl_algorithm
from rlaudio.config.recipe import Recipe
from rlaudio.contribution.asking_options import check_options
from rlaudio.curricula.selector import Selector, stored_state
from rlaudio.curricula.stage import Stage, check_stages
from rlaudio.scorers.calling import try_scorers
from rlaudio.scoring import RewardError, RewardStop, made_up_group
from rlaudio.types import (
    Contribution,
    Dataset,
    Question,
)
from rlaudio.utils.number_format import counted
from rlaudio.utils.processes import ALONE, Processes

logger = logging.getLogger(__name__)


def check_stages_can_train(
    recipe: Recipe, questions: Sequence[Question], processes: Processes = ALONE, *, whole: bool = True
) -> list[Stage]:
    """Raise now what would stop a run later: unusable scorers, rewards or group sizes, missing targets.

    Returns the stages: the curriculum is tried on the questions, with stand-in labels where they have none
    yet. Unless they are the `whole` set, how many there are is not judged.
    Raises ValueError.
    """
    try_scorers(within_time(recipe, recipe.scorers()), questions)
    stated = Dataset.of(questions).contributions
    stand_ins = {q.id: Contribution(q.id, "strong" if n % 2 else "weak") for n, q in enumerate(questions)}
    to_be_labelled = labels_to_come(recipe, questions)
    contributions = {**stand_ins, **stated} if to_be_labelled else stated
    stages = curriculum_stages(recipe, questions, contributions)
    if whole and (not to_be_labelled or all(s.questions for s in stages)):  # votes may fill what is empty now
        check_stages(stages, recipe.curriculum.use)
    elif whole:
        logger.warning(
            "curriculum %s: stage %d has no questions while half are labelled weak and half strong, made up "
            "until voters have answered; a run stops after the vote where it still has none",
            recipe.curriculum.use,
            next(number for number, stage in enumerate(stages, start=1) if not stage.questions),
        )
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
            _check_asked_options(recipe, stage)
            if processes.first:
                _dry_run_rewards(recipe, stage.questions[:1])
            _dry_run_algorithm(recipe)
    return stages


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


def _check_share(key: str, count: int, processes: Processes) -> None:
    """Refuse a number of questions of which some process would get more than others. Raises ValueError."""
    if count % processes.size:
        raise ValueError(
            f"{key} is {count} and there are {processes.size} processes; expected a multiple of "
            f"{processes.size}, such as {count - count % processes.size + processes.size}"
        )


def _check_step(recipe: Recipe, count: int) -> None:
    """Refuse a step of more questions than there are, or of fewer than it has updates. Raises ValueError."""
    step, updates = recipe.sampling.questions, recipe.training.mini_batches
    if step > count:
        raise ValueError(f"sampling.questions is {step} and data.train has {count}; expected no more")
    if updates > step:
        raise ValueError(
            f"training.mini_batches is {updates} and a step has {step} groups; expected no more than those"
        )


def _check_selector(recipe: Recipe, stage: Stage, selector: Selector) -> None:
    """Refuse settings under which a curriculum would not see what it waits for. Raises ValueError."""
    name = f"curriculum {recipe.curriculum.use}"
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
    if stage.kind == "rl":
        _refuse_no_success(recipe)
    try:
        state = stored_state(selector)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    selector.load_state_dict(json.loads(json.dumps(state)))
    if selector.finished:
        raise ValueError(f"{name} ends its {stage.kind} stage before its first step; expected some step")
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


def _check_asked_options(recipe: Recipe, stage: Stage) -> None:
    """Refuse questions whose options training would ask about and that have none. Raises ValueError."""
    every = stage.selector.contribution_every if stage.selector else 0
    if asked_in_silence(recipe, every).contribution != "options":
        return
    for question in stage.questions:
        try:
            check_options(question)
        except ValueError as error:
            raise ValueError(f"contribution.on_policy is options: {error}, or set rollouts") from error


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
    algorithm = rl_algorithm(recipe)
    if isinstance(algorithm, SFT):
        raise ValueError("algorithm.use is sft, which makes every sample likelier; expected one for RL")
    weights = {name: spec.weight for name, spec in recipe.rewards.items()}
    name = recipe.algorithm.use
    dry_run(algorithm, name, group_size=recipe.sampling.group_size, reward_weights=weights)
    if contribution_by(recipe) == "rollouts":
        _refuse_no_success(recipe)


def _refuse_no_success(recipe: Recipe) -> None:
    if problem := recipe.no_success():
        raise ValueError(f"contribution.success {problem}")
