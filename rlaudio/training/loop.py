"""The training loop: the way of one sample, from a drawn question to the next weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from rlaudio.algorithms.algorithm import Algorithm
from rlaudio.curricula.stage import Stage
from rlaudio.prompts.builder import PromptBuilder
from rlaudio.rollout.one_step_off import OneStepOff
from rlaudio.rollout.worker import RolloutWorker
from rlaudio.runs.rollouts import LearnedGroup
from rlaudio.training.alarms import Alarms
from rlaudio.training.checkpoint import Cursor
from rlaudio.training.credit import assign_credit, describe
from rlaudio.training.debug.nonfinite import (
    BrokenStep,
    refuse_nonfinite_rollouts,
    refuse_nonfinite_signals,
)
from rlaudio.training.learner import Learner
from rlaudio.training.sampling import Sampled, Scores, mean_lag, requests_of_round, sample_step
from rlaudio.training.signals import ContributionEstimator, describe_signals, observe
from rlaudio.types import Contributions, SamplingParams
from rlaudio.utils.progress import progress


@dataclass(frozen=True, eq=False)
class StageSetup:
    """Everything one stage trains with."""

    name: str
    stage: Stage
    questions: int  # per step, over all processes
    steps: int
    worker: RolloutWorker
    sampling: SamplingParams
    scorer: Scores
    algorithm: Algorithm
    learner: Learner
    rounds: int = 1  # of drawing until groups with spread fill the step
    ahead: OneStepOff | None = None  # the worker, where it samples a step while the one before trains
    contribution_estimator: ContributionEstimator | None = None
    contributions: Contributions = field(default_factory=dict)  # of the stage's questions, as labelled
    max_rollouts: float = float("inf")  # the stage ends with the step that reaches either of these
    max_tokens: float = float("inf")
    mismatch_alarm: float = float("inf")


class Recorder(Protocol):
    """Who writes down what happens."""

    def log_metrics(self, stage: str, step: int, values: Mapping[str, float]) -> None: ...

    def write_rollouts(self, stage: str, step: int, groups: Iterable[LearnedGroup]) -> object: ...


class StopRequested(Exception):
    """Training ended early because it was asked to; everything up to `cursor` is saved."""

    def __init__(self, cursor: Cursor):
        super().__init__(f"stopped after step {cursor.step} of stage {cursor.stage + 1}")
        self.cursor = cursor


class BrokenTraining(FloatingPointError):
    """Training ended at a step with a number that was not finite: raised alike in every process."""


def train(
    setup: StageSetup,
    prompts: PromptBuilder,
    recorder: Recorder,
    *,
    start: Cursor,
    seed: int,
    save: Callable[[Cursor, Learner], None],
    save_every: int,
    keep_broken: Callable[[BrokenStep, Cursor, Learner], str] = lambda broken, cursor, learner: str(broken),
    evaluate: Callable[[], Mapping[str, float]] = dict,
    evaluate_every: int = 0,
    stop_requested: Callable[[], bool] = lambda: False,
) -> Cursor:
    """Train one stage from `start` to its end; returns the cursor there.

    All that is random follows from (seed, stage, step, item, sample), so a stage that goes on from a
    checkpoint does what it would have done without the break, in however many processes.
    Raises StopRequested after saving, and BrokenTraining with what `keep_broken` says of the step in
    which a number was not finite; it is called in every process, with the weights as they were then.
    """
    cursor, learner = start, setup.learner
    alarms = Alarms(mismatch=setup.mismatch_alarm, steps=setup.steps)
    setup.worker.load_weights(learner.weights(), cursor.weights_version)
    for step in progress(range(start.step, setup.steps), setup.steps - start.step, setup.name, "step"):
        if cursor.rollouts >= setup.max_rollouts or cursor.tokens >= setup.max_tokens:
            break
        key = (seed, setup.name, step)
        sampled = sample(setup, prompts, cursor, key)
        try:
            meanwhile = partial(sample_ahead, setup, prompts, cursor, sampled, key)
            metrics = learn(setup, sampled, key, step, meanwhile)
        except BrokenStep as broken:
            raise BrokenTraining(keep_broken(broken, cursor, learner)) from broken
        if setup.ahead:
            metrics["rollout/lag"] = mean_lag(sampled.groups, cursor.weights_version)
        cursor = advance(cursor, sampled, metrics)
        setup.worker.load_weights(learner.weights(), cursor.weights_version)

        recorder.write_rollouts(setup.name, cursor.step, map(LearnedGroup, sampled.groups))
        epoch = cursor.drawn / len(setup.stage.questions)
        recorder.log_metrics(setup.name, cursor.step, metrics | {"data/epoch": epoch})
        alarms.see(metrics, sampled.groups)
        if evaluate_every and cursor.step % evaluate_every == 0:
            recorder.log_metrics(setup.name, cursor.step, evaluate())
        if stop_requested():
            save(cursor, learner)
            raise StopRequested(cursor)
        if cursor.step % save_every == 0:
            save(cursor, learner)
    return cursor


def sample(setup: StageSetup, prompts: PromptBuilder, cursor: Cursor, key: tuple[int | str, ...]) -> Sampled:
    """The step's completions, scored."""
    return sample_step(
        setup.stage,
        setup.worker,
        setup.scorer,
        prompts,
        first=cursor.drawn,
        questions=setup.questions,
        rounds=setup.rounds,
        sampling=setup.sampling,
        key=key,
        draw_key=key[:2],
        weights_version=cursor.weights_version,
        max_lag=1 if setup.ahead else 0,
        processes=setup.learner.strategy.processes,
    )


def sample_ahead(
    setup: StageSetup, prompts: PromptBuilder, cursor: Cursor, sampled: Sampled, key: tuple[int | str, ...]
) -> None:
    """Begin the next step's completions while this one trains, or give what sampling holds free for that."""
    if setup.ahead is None or cursor.step + 1 >= setup.steps:
        setup.worker.sleep()
        return
    asked = requests_of_round(
        setup.stage,
        prompts,
        cursor.drawn + sampled.drawn,
        setup.questions,
        key[:2],
        (*key[:2], cursor.step + 1),
        setup.learner.strategy.processes,
    )
    setup.ahead.begin([(one.prompts, one.key) for one in asked], setup.sampling)


def learn(
    setup: StageSetup,
    sampled: Sampled,
    key: tuple[int | str, ...],
    step: int,
    meanwhile: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """Take one step on what was sampled; returns its metrics. Raises BrokenStep.

    `meanwhile` is called when nothing more is asked of the worker before the weights change.
    """
    learner = setup.learner
    refuse_nonfinite_rollouts(list(sampled.own.values()), learner.strategy.processes)
    signals = observe(sampled, learner, setup.contribution_estimator, key)
    meanwhile()
    refuse_nonfinite_signals(signals, list(sampled.own_learned.values()))
    rows = assign_credit(
        sampled.learned, setup.algorithm, signals=signals, mini_batches=learner.batching.mini_batches
    )
    metrics = describe(sampled.groups, setup.contributions) | describe_signals(
        signals, setup.contribution_estimator
    )
    return metrics | learner.step(sampled.own_rows(rows), step)


def advance(cursor: Cursor, sampled: Sampled, metrics: Mapping[str, float]) -> Cursor:
    """The cursor after one more step."""
    completions = metrics.get("rollout/completions", 0.0) + metrics.get("rollout/silent_completions", 0.0)
    return replace(
        cursor,
        step=cursor.step + 1,
        weights_version=cursor.weights_version + 1,
        drawn=cursor.drawn + sampled.drawn,
        rollouts=cursor.rollouts + int(completions),
        tokens=cursor.tokens + int(metrics["optimizer/tokens"]),
    )
