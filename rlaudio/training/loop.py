"""The training loop: the way of one sample, from a drawn question to the next weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol

from rlaudio.curricula.selector import QuestionResult, Selector, StepResults
from rlaudio.rollout.one_step_off import OneStepOff
from rlaudio.rollout.worker import RolloutWorker, SeedKey
from rlaudio.runs.rollouts import LearnedGroup
from rlaudio.scoring import saving_when_stopped, warn_anew
from rlaudio.training.alarms import Alarms
from rlaudio.training.checkpoint import Cursor
from rlaudio.training.credit import assign_credit, describe_groups, learned_groups
from rlaudio.training.debug.nonfinite import (
    BrokenStep,
    refuse_nonfinite_rollouts,
    refuse_nonfinite_signals,
)
from rlaudio.training.learner import Learner
from rlaudio.training.providers import asks_for_contribution
from rlaudio.training.sampling import (
    Sampled,
    Sampler,
    begin_requests,
    mean_lag,
    requests_of_round,
    sample_step,
)
from rlaudio.training.signals import (
    ContributionEstimator,
    describe_signals,
    measure_signals,
    success_rate,
    with_unknown_filled,
)
from rlaudio.training.step_numbers import StepNumbers
from rlaudio.training.throughput import Throughput
from rlaudio.types import Contributions
from rlaudio.utils.clock import Clock
from rlaudio.utils.progress import progress


@dataclass(frozen=True, eq=False)
class StageSetup:
    """Everything one stage trains with."""

    name: str
    steps: int
    sampler: Sampler
    learner: Learner
    contribution_estimator: ContributionEstimator | None = None
    success: str = ""  # the reward that says whether a completion succeeded
    contributions: Contributions = field(default_factory=dict)  # of the stage's questions, as labelled
    max_rollouts: float = float("inf")  # the stage ends with the step that reaches either of these
    max_tokens: float = float("inf")
    mismatch_alarm: float = float("inf")

    @property
    def worker(self) -> RolloutWorker:
        """The worker that samples with the learner's weights."""
        return self.sampler.worker

    @property
    def ahead(self) -> OneStepOff | None:
        """The worker, where it samples the next step while this one trains."""
        return self.worker if isinstance(self.worker, OneStepOff) else None

    @property
    def selector(self) -> Selector | None:
        """What chooses the stage's questions, where its curriculum observes."""
        return self.sampler.stage.selector

    def estimator_at(self, step: int) -> ContributionEstimator | None:
        """What measures the audio's contribution in that step, counted from 0; None where nobody asks."""
        every = self.selector.contribution_every if self.selector else 0
        asked = asks_for_contribution(self.learner.algorithm) or (every > 0 and step % every == 0)
        return self.contribution_estimator if asked else None

    def has_ended(self, cursor: Cursor) -> bool:
        """Whether the stage ends before its steps are used up: by a budget, or by its curriculum."""
        spent = cursor.rollouts >= self.max_rollouts or cursor.tokens >= self.max_tokens
        return spent or (self.selector is not None and self.selector.finished)

    @property
    def clock(self) -> Clock:
        """The clock of the step's parts."""
        return self.sampler.clock


class Recorder(Protocol):
    """Where metrics and rollouts of a run are written."""

    def log_metrics(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Write the metrics of a step."""

    def write_rollouts(self, stage: str, step: int, groups: Iterable[LearnedGroup]) -> object:
        """Write what was sampled in a step."""


@dataclass(frozen=True, kw_only=True)
class Callbacks:
    """What the loop calls while it runs."""

    save: Callable[[Cursor], None]
    save_every: int  # steps
    evaluate: Callable[[], Mapping[str, float]]
    evaluate_every: int  # steps; 0: never
    dump_broken_step: Callable[[BrokenStep, Cursor], str]  # returns how to continue
    stop_requested: Callable[[], bool]
    profiled: Callable[[str, int], AbstractContextManager[None]]  # a trace of that step, if wanted


class StopRequested(Exception):
    """Training ended early because it was asked to; everything up to `cursor` is saved."""

    def __init__(self, cursor: Cursor):
        super().__init__(f"stopped after step {cursor.step} of stage {cursor.stage + 1}")
        self.cursor = cursor


class BrokenTraining(FloatingPointError):
    """Training ended at a step with a number that was not finite: raised in every process."""


def train(setup: StageSetup, recorder: Recorder, callbacks: Callbacks, *, start: Cursor, seed: int) -> Cursor:
    """Train one stage from `start` to its end; returns the cursor there.

    All that is random follows from (seed, stage, step, item, sample), so a stage that goes on from a
    checkpoint gives the numbers of an uninterrupted one, for any number of processes.
    Raises StopRequested after saving, RewardError after saving the weights before the step whose rewards
    failed, and BrokenTraining with the message of `dump_broken_step` at a step in which a number was not
    finite; it is called in every process, with the weights of that moment.
    """
    cursor, learner, saved = start, setup.learner, start

    def save() -> None:
        nonlocal saved
        if cursor != saved:
            callbacks.save(cursor)
            saved = cursor

    alarms = Alarms(mismatch=setup.mismatch_alarm, steps=setup.steps)
    clock, throughput, step_numbers = setup.clock, Throughput(learner), StepNumbers()
    setup.worker.load_weights(learner.weights(), cursor.weights_version)
    clock.take()
    warn_anew()
    steps = range(start.step, setup.steps)
    for step in progress(steps, setup.steps, setup.name, "step", done=start.step, numbers=step_numbers.take):
        if setup.has_ended(cursor):
            break
        key = (seed, setup.name, step)
        # rewards are asked before the weights change
        with saving_when_stopped(save), callbacks.profiled(setup.name, cursor.step + 1):
            sampled = sample_step(
                setup.sampler, key, first=cursor.drawn, weights_version=cursor.weights_version
            )
            prepare_next(setup, cursor, sampled, key)
            try:
                learned, metrics = learn(setup, cursor, sampled, key)
            except BrokenStep as broken:
                raise BrokenTraining(callbacks.dump_broken_step(broken, cursor)) from broken
        if setup.ahead:
            metrics["rollout/lag"] = mean_lag(sampled.groups, cursor.weights_version)
        cursor = advance(cursor, sampled, metrics)
        with clock.part("sync"):
            setup.worker.load_weights(learner.weights(), cursor.weights_version)
        with clock.part("write"):
            recorder.write_rollouts(setup.name, cursor.step, learned)
        epoch = cursor.drawn / len(setup.sampler.stage.questions)
        logged = metrics | {"data/epoch": epoch} | throughput.describe(clock.take(), metrics)
        recorder.log_metrics(setup.name, cursor.step, logged)
        step_numbers.add(metrics)
        alarms.check(metrics, sampled.groups)
        evaluated = evaluate_if_due(setup, cursor, recorder, callbacks)
        if setup.selector:
            setup.selector.observe(step_results(learned, setup.success, {**metrics, **evaluated}))
        if callbacks.stop_requested():
            save()
            raise StopRequested(cursor)
        if cursor.step % callbacks.save_every == 0:
            save()
    return cursor


def prepare_next(setup: StageSetup, cursor: Cursor, sampled: Sampled, key: SeedKey) -> None:
    """Begin to read the audio of the next step, unless its questions depend on what this one shows."""
    if cursor.step + 1 < setup.steps and not setup.selector:
        begin_requests(setup.sampler, *next_draw(cursor, sampled, key))


def next_draw(cursor: Cursor, sampled: Sampled, key: SeedKey) -> tuple[SeedKey, int]:
    """The key of the next step, and the number of the first question that it draws."""
    return (*key[:2], cursor.step + 1), cursor.drawn + sampled.drawn


def sample_ahead_or_sleep(setup: StageSetup, cursor: Cursor, sampled: Sampled, key: SeedKey) -> None:
    """Begin to sample the next step while this one trains, or free the worker's memory for training."""
    if setup.ahead is None or cursor.step + 1 >= setup.steps:
        setup.worker.sleep()
        return
    with setup.clock.part("data_wait"):
        asked = requests_of_round(setup.sampler, *next_draw(cursor, sampled, key))
    setup.ahead.begin([(request.prompts, request.key) for request in asked], setup.sampler.params)


def learn(
    setup: StageSetup, cursor: Cursor, sampled: Sampled, key: SeedKey
) -> tuple[list[LearnedGroup], dict[str, float]]:
    """Take one step on the sampled groups; returns the learned groups and the metrics. Raises BrokenStep."""
    learner, clock = setup.learner, setup.clock
    refuse_nonfinite_rollouts(list(sampled.local.values()), learner.strategy.processes)
    with clock.part("signals"):
        estimator = setup.estimator_at(cursor.step)
        measured = measure_signals(sampled, learner, estimator, key)
        signals = with_unknown_filled(measured)
    sample_ahead_or_sleep(setup, cursor, sampled, key)  # nothing more is asked of the old weights
    refuse_nonfinite_signals(signals, sampled.learned, list(sampled.local_learned.values()))
    rows = assign_credit(
        sampled.learned, learner.algorithm, signals=signals, mini_batches=learner.batching.mini_batches
    )
    with clock.part("signals"):
        prepared = learner.prepare(sampled.local_rows(rows))
    metrics = describe_groups(sampled.groups, setup.contributions)
    metrics |= describe_signals(measured, estimator)
    if sampled.silent_completions:
        before = metrics.get("rollout/silent_completions", 0.0)
        metrics["rollout/silent_completions"] = before + sampled.silent_completions
    with clock.part("update"):
        metrics |= learner.update(prepared, cursor.step)
    return learned_groups(sampled, rows, prepared, measured, learner.strategy.processes), metrics


def evaluate_if_due(
    setup: StageSetup, cursor: Cursor, recorder: Recorder, callbacks: Callbacks
) -> Mapping[str, float]:
    """The metrics of a held-out evaluation, logged; none where this step has no evaluation."""
    if not callbacks.evaluate_every or cursor.step % callbacks.evaluate_every:
        return {}
    evaluated = callbacks.evaluate()
    recorder.log_metrics(setup.name, cursor.step, evaluated)
    return evaluated


def step_results(learned: Sequence[LearnedGroup], success: str, metrics: Mapping[str, float]) -> StepResults:
    """What a curriculum observes of a step: every sampled question, and the step's metrics."""
    questions = tuple(
        QuestionResult(
            group.scored.group.prompt.question.id,
            success_rate(group.scored, success),
            group.contribution,
        )
        for group in learned
        if success in group.scored.rewards
    )
    return StepResults(questions, metrics)


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
