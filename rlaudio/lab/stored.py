"""The completions of a run folder that rewards scored, step by step, and what voters answered in silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from rlaudio.runs.places import rollouts_file
from rlaudio.runs.rollouts import LearnedGroup
from rlaudio.runs.run import StoredRun
from rlaudio.types import Group
from rlaudio.utils.number_format import counted

MOST_COMPLETIONS = 10_000


@dataclass(frozen=True, eq=False)
class StoredStep:
    """The groups of a step, as the run folder holds them."""

    stage: str
    step: int
    learned: tuple[LearnedGroup, ...]

    @property
    def groups(self) -> list[Group]:
        """The groups without what was made of them."""
        return [group.scored.group for group in self.learned]

    @cached_property
    def lengths(self) -> list[np.ndarray]:
        """Sampled tokens of the completions of each group [G]."""
        return [np.array([c.length for c in group.completions]) for group in self.groups]


@dataclass(frozen=True)
class InSilence:
    """What is known of a question's answer without the audio."""

    weak: bool
    answers: tuple[str, ...]  # of the voters; none where the data states the label


@dataclass(frozen=True, eq=False)
class Rollouts:
    """Completions of a run, and what is known about their questions."""

    steps: tuple[StoredStep, ...]
    selection: str  # which steps these are, in words
    in_silence: Mapping[str, InSilence]  # by question id, of questions that are labelled

    @property
    def learned(self) -> list[LearnedGroup]:
        """All groups in the order of the run."""
        return [group for step in self.steps for group in step.learned]

    @cached_property
    def groups(self) -> list[Group]:
        """The same, without what was made of them."""
        return [group for step in self.steps for group in step.groups]

    @property
    def logprobs_in_silence(self) -> list[np.ndarray]:
        """Log-probs [G] of whole completions with silence for the clip; NaN where the run measured none."""
        return [
            np.array([float(s["silence"].sum()) if "silence" in s else np.nan for s in signals])
            for signals in (group.signals or ({},) * len(group.scored.total) for group in self.learned)
        ]

    @property
    def lengths(self) -> list[np.ndarray]:
        """Sampled tokens of the completions of each group [G]."""
        return [lengths for step in self.steps for lengths in step.lengths]

    def stage_and_step(self, number: int) -> tuple[str, int]:
        """Of a group by its place in `groups`."""
        for step in self.steps:
            if number < len(step.learned):
                return step.stage, step.step
            number -= len(step.learned)
        raise IndexError("no such group")

    def with_spread(self, totals: np.ndarray) -> np.ndarray:
        """Which groups have totals that differ, of those of all completions [N]: bool [Q]."""
        known = (of_group[~np.isnan(of_group)] for of_group in self.by_group(totals))
        return np.array([bool(len(group)) and bool(group.min() < group.max()) for group in known])

    @property
    def weights(self) -> Mapping[str, float]:
        """Of each stored reward in the total."""
        return self.steps[-1].learned[0].scored.weights

    def stored(self, reward: str | None = None) -> np.ndarray:
        """The stored values of a reward, or the totals, of all completions [N]; NaN where there is none."""
        values = [
            group.scored.total
            if reward is None
            else group.scored.rewards.get(reward, np.full(len(group.scored.total), np.nan))
            for group in self.learned
        ]
        return np.concatenate(values)

    def by_group(self, values: np.ndarray) -> list[np.ndarray]:
        """Values of all completions [N] as those of each group [G]."""
        sizes = [len(group.completions) for group in self.groups]
        return np.split(values, np.cumsum(sizes)[:-1])


def group_and_sample(groups: Sequence[Group], number: int) -> tuple[int, int]:
    """The place of a group and of a completion in it, by the completion's place among all."""
    sample = number
    for place, group in enumerate(groups):
        if sample < len(group.completions):
            return place, sample
        sample -= len(group.completions)
    raise IndexError(f"no completion {number}")


def read_rollouts(run: StoredRun, most: int = MOST_COMPLETIONS) -> Rollouts:
    """The scored completions of a run: of all steps, or of steps evenly spaced over it that hold `most`.

    Raises ValueError where no step that rewards scored is stored, or with file and line of damage.
    """
    places = [(stage, step) for stage in run.stages_with_rollouts for step in run.steps(stage)]
    steps: list[StoredStep] = []
    number = 0
    for stage, step in _spread(run, places, most):
        learned = tuple(group for group in run.rollouts(stage, step) if group.scored.rewards)
        number += sum(len(group.scored.total) for group in learned)
        if learned:
            steps.append(StoredStep(stage, step, learned))
    if not steps:
        raise ValueError(
            f"{run.path}: found no completions that rewards scored; expected "
            f"{rollouts_file('STAGE', 'STEP')} of a stage of RL; "
            "let the run reach its first step of RL, or name another run"
        )
    steps.sort(key=lambda step: places.index((step.stage, step.step)))
    scored = [place for place in places if place[0] in {step.stage for step in steps}]
    return Rollouts(tuple(steps), _selection(steps, scored, number), _in_silence(run))


# --- helpers -------------------------------------------------------------------------------------


def _spread(run: StoredRun, places: Sequence[tuple[str, int]], most: int) -> list[tuple[str, int]]:
    """Steps of stages that rewards score, evenly spaced, the last among them, of at most `most` completions.

    How many a step holds is taken from the last step of its stage.
    """
    scored: list[tuple[str, int]] = []
    largest = 1
    for stage in dict.fromkeys(stage for stage, _ in places):
        last = run.rollouts(stage, run.steps(stage)[-1], samples=False)
        if any(group.scored.rewards for group in last):
            scored += [place for place in places if place[0] == stage]
            largest = max(largest, sum(len(group.scored.total) for group in last))
    wanted = min(len(scored), max(1, most // largest))
    chosen = np.linspace(len(scored) - 1, 0, wanted).round().astype(int) if scored else ()
    return [scored[index] for index in chosen]


def _selection(steps: Sequence[StoredStep], scored: Sequence[tuple[str, int]], number: int) -> str:
    groups = sum(len(step.learned) for step in steps)
    all_or_some = "all" if len(steps) == len(scored) else f"{len(steps)} evenly spaced of {len(scored)}"
    stages = ", ".join(dict.fromkeys(step.stage for step in steps))
    return (
        f"{counted(number, 'completion')} in {counted(groups, 'group')}, {all_or_some} steps of {stages} "
        f"({steps[0].step} to {steps[-1].step})"
    )


def _in_silence(run: StoredRun) -> dict[str, InSilence]:
    """What labels say of the questions to train on; nothing where the run has none."""
    return {
        row["id"]: InSilence(row["contribution"] == "weak", tuple(_voted(row.get("votes"))))
        for row in run.label_rows()
    }


def _voted(votes: Any) -> list[str]:
    """The first answer of every voter."""
    entries = votes.values() if isinstance(votes, Mapping) else ()
    answers = [entry.get("answers") for entry in entries if isinstance(entry, Mapping)]
    return [str(given[0]) for given in answers if isinstance(given, list) and given]
