"""Rewards tried on the completions of a run: what they would have paid, what would have been learned.

A reward takes the place of a reward of the run, or joins the sum; alone it is the sum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rlaudio.algorithms.algorithm import Algorithm
from rlaudio.lab.credit_again import advantages
from rlaudio.lab.evidence import Evidence, Finding
from rlaudio.lab.lints import lint
from rlaudio.lab.rescoring import Candidate, Rescored
from rlaudio.lab.stored import Rollouts
from rlaudio.types import Group, Scorer, Verdict


@dataclass(frozen=True, eq=False)
class Setting:
    """What rewards are tried with: the run's completions, the rule of what is right, the algorithm."""

    rollouts: Rollouts
    scorer: Scorer
    algorithm: Algorithm
    algorithm_name: str
    alone: bool = False  # the reward is the whole sum


@dataclass(frozen=True, eq=False)
class Tried:
    """What a reward would have done. Arrays are of all completions [N]."""

    candidate: Candidate
    rescored: Rescored
    place: str  # in the sum: the name of a reward of the run, or another one
    replaces: bool  # the run's reward of that name
    total: np.ndarray
    advantages: np.ndarray | None  # None where the algorithm needs what is not stored
    findings: tuple[Finding, ...]
    ended: str = ""  # why lints ended early

    @property
    def name(self) -> str:
        """Of the reward."""
        return self.candidate.name

    @property
    def values(self) -> np.ndarray:
        """What it paid for each completion; NaN where it gave no value."""
        return self.rescored.values

    @property
    def without_value(self) -> str:
        """Why no completion got a value, the first time; empty where one did."""
        failures = self.rescored.failures
        return failures[0].reason if failures and np.isnan(self.values).all() else ""


@dataclass(frozen=True, eq=False)
class Trial:
    """One or two rewards on the same completions. Arrays are of all completions [N]."""

    setting: Setting
    verdicts: tuple[Verdict, ...]
    total: np.ndarray  # as the run had it
    advantages: np.ndarray | None
    tried: tuple[Tried, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def rollouts(self) -> Rollouts:
        """The completions of the run."""
        return self.setting.rollouts

    @property
    def right(self) -> np.ndarray:
        """Which completions are right [N] bool."""
        return np.array([verdict.right for verdict in self.verdicts])

    @property
    def lengths(self) -> np.ndarray:
        """Sampled tokens of each completion [N]."""
        return np.concatenate(self.rollouts.lengths)

    @property
    def rewards(self) -> dict[str, np.ndarray]:
        """Values by name: of the rewards of the run, as stored, and of those that are tried."""
        stored = {name: self.rollouts.stored(name) for name in self.rollouts.weights}
        tried = {f"{entry.name} (tried)": entry.values for entry in self.tried}
        return {**stored, **tried}


def try_rewards(setting: Setting, candidates: Sequence[Candidate]) -> Trial:
    """Score the run's completions again by each candidate, and lint it.

    Raises RewardStop where a reward ends the process or hangs.
    """
    rollouts = setting.rollouts
    verdicts = _verdicts(setting)
    stored = {name: rollouts.stored(name) for name in rollouts.weights}
    notes: list[str] = []
    before = _advantages(setting, stored, rollouts.weights, notes)
    tried = tuple(_try(setting, candidate, stored, verdicts) for candidate in candidates)
    return Trial(setting, verdicts, rollouts.stored(), before, tried, tuple(notes))


# --- helpers -------------------------------------------------------------------------------------


def _verdicts(setting: Setting) -> tuple[Verdict, ...]:
    """Of each completion; equal answers to one question are read once."""
    known: dict[tuple[str, str], Verdict] = {}
    result = []
    for group in setting.rollouts.groups:
        question = group.prompt.question
        for completion in group.completions:
            place = (question.id, completion.text)
            if place not in known:
                known[place] = setting.scorer(question, completion.text)
            result.append(known[place])
    return tuple(result)


def _try(
    setting: Setting, candidate: Candidate, stored: Mapping[str, np.ndarray], verdicts: Sequence[Verdict]
) -> Tried:
    rescored = candidate.values([step.groups for step in setting.rollouts.steps])
    place = candidate.place or candidate.name
    parts = {} if setting.alone else dict(stored)
    weights = {} if setting.alone else dict(setting.rollouts.weights)
    parts[place] = rescored.values
    weights[place] = candidate.weight
    total = sum((weights[name] * values for name, values in parts.items()), np.zeros(len(rescored.values)))
    findings, ended = lint(_evidence(setting, candidate, rescored, verdicts))
    after = _advantages(setting, parts, weights, [])
    replaces = place in stored and not setting.alone
    return Tried(candidate, rescored, place, replaces, total, after, findings, ended)


def _advantages(
    setting: Setting, parts: Mapping[str, np.ndarray], weights: Mapping[str, float], notes: list[str]
) -> np.ndarray | None:
    try:
        return advantages(setting.rollouts, setting.algorithm, parts, weights)
    except ValueError as error:
        notes.append(f"advantages are left out: algorithm {setting.algorithm_name} {error}")
        return None


def _evidence(
    setting: Setting, candidate: Candidate, rescored: Rescored, verdicts: Sequence[Verdict]
) -> Evidence:
    def score(groups: Sequence[Group]) -> list[np.ndarray]:
        return candidate.values([groups]).by_group

    rollouts = setting.rollouts
    ends = np.cumsum([len(values) for values in rescored.by_group])
    by_group = [tuple(verdicts[end - len(v) : end]) for end, v in zip(ends, rescored.by_group, strict=True)]
    return Evidence(
        groups=rollouts.groups,
        values=rescored.by_group,
        verdicts=by_group,
        in_silence=rollouts.in_silence,
        scorer=setting.scorer,
        score=score,
        logprobs_in_silence=rollouts.logprobs_in_silence,
    )
