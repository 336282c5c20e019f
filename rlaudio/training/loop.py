"""The training loop: the way of one sample, from a drawn question to the next weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from rlaudio.algorithms.algorithm import Algorithm
from rlaudio.curricula.stage import Stage
from rlaudio.models.family import ModelFamily
from rlaudio.progress import progress
from rlaudio.prompts import PromptBuilder
from rlaudio.rollout.worker import RolloutWorker
from rlaudio.training.checkpoint import Cursor
from rlaudio.training.credit import assign_credit, describe
from rlaudio.training.learner import Learner
from rlaudio.types import Group, Sampling, ScoredGroup


@dataclass(frozen=True, eq=False)
class Course:
    """Everything one stage trains with."""

    name: str
    stage: Stage
    questions: int  # per step
    steps: int
    worker: RolloutWorker
    sampling: Sampling
    scorer: Scores
    algorithm: Algorithm
    learner: Learner


class Scores(Protocol):
    """Who says how good completions are; rlaudio.scoring.Scorer in RL."""

    def score(self, groups: Sequence[Group]) -> list[ScoredGroup]: ...


class Recorder(Protocol):
    """Who writes down what happens."""

    def log_metrics(self, stage: str, step: int, values: Mapping[str, float]) -> None: ...

    def write_rollouts(self, stage: str, step: int, scored_groups: Iterable[ScoredGroup]) -> object: ...


class StopRequested(Exception):
    """Training ended early because it was asked to; everything up to `cursor` is saved."""

    def __init__(self, cursor: Cursor):
        super().__init__(f"stopped after step {cursor.step} of stage {cursor.stage + 1}")
        self.cursor = cursor


def train(
    course: Course,
    family: ModelFamily,
    prompts: PromptBuilder,
    recorder: Recorder,
    *,
    start: Cursor,
    seed: int,
    save: Callable[[Cursor, Learner], None],
    save_every: int,
    evaluate: Callable[[], Mapping[str, float]] = dict,
    evaluate_every: int = 0,
    stop_requested: Callable[[], bool] = lambda: False,
) -> Cursor:
    """Train one stage from `start` to its end; returns the cursor there.

    All that is random follows from (seed, stage, step, item, sample), so a stage that goes on from a
    checkpoint does what it would have done without the break.
    Raises StopRequested after saving, FloatingPointError before an update that would not be finite.
    """
    cursor = start
    course.worker.load_weights(family.named_weights(), cursor.weights_version)
    for step in progress(range(start.step, course.steps), course.steps - start.step, course.name, "step"):
        questions = course.stage.draw(step, course.questions, seed, course.name)
        asked = [prompts.prompt(question) for question in questions]
        groups = course.worker.generate(asked, course.sampling, (seed, course.name, step))
        check_versions(groups, cursor.weights_version)
        scored = course.scorer.score(groups)
        rows = assign_credit(scored, course.algorithm)
        metrics = course.learner.step(rows, step)
        cursor = replace(cursor, step=step + 1, weights_version=cursor.weights_version + 1)
        course.worker.load_weights(family.named_weights(), cursor.weights_version)

        recorder.write_rollouts(course.name, step + 1, scored)
        epoch = (step + 1) * course.questions / len(course.stage.questions)
        recorder.log_metrics(course.name, step + 1, describe(scored) | metrics | {"data/epoch": epoch})
        if evaluate_every and (step + 1) % evaluate_every == 0:
            recorder.log_metrics(course.name, step + 1, evaluate())
        if stop_requested():
            save(cursor, course.learner)
            raise StopRequested(cursor)
        if (step + 1) % save_every == 0:
            save(cursor, course.learner)
    return cursor


def check_versions(groups: Sequence[Group], expected: int) -> None:
    """Refuse completions that other weights sampled. Raises ValueError."""
    found = {c.weights_version for group in groups for c in group.completions} - {expected}
    if found:
        raise ValueError(
            f"completions of weights version {sorted(found)} in a step of version {expected}; expected the "
            "current weights; the rollout worker did not take over the last update"
        )
