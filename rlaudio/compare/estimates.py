"""Held-out accuracy of the arms of a comparison, and tests of their differences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from rlaudio.evaluation.baselines import right_share
from rlaudio.evaluation.statistics import (
    Interval,
    accuracy_interval,
    difference_interval,
    difference_p_value,
    holm,
    seed_noise,
)
from rlaudio.runs.files import Json
from rlaudio.runs.run import StoredRun
from rlaudio.utils.literals import Control

GROUPS = ("strong", "weak", "all")
CONTROLS = get_args(Control)


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds and questions, its 95 % interval over both, and each seed's own.

    With one seed the interval is over questions alone, and holds for that seed.
    """

    value: float
    low: float
    high: float
    by_seed: tuple[float, ...]


@dataclass(frozen=True)
class Against:
    """An arm against the baseline, on the same questions and seeds: accuracy with audio, in fractions."""

    difference: Estimate
    # Student's t over seeds and questions, McNemar's test where there is one seed; None where no answer
    # differs.
    p_value: float | None
    holm: float  # the same for all arms of the comparison together
    inside_noise: bool | None  # of seeds; None: not known


@dataclass(frozen=True)
class HeldOutComparison:
    """All arms on one held-out set."""

    name: str
    question_counts: Mapping[str, int]  # by group
    chance: Mapping[str, float]
    base: Mapping[str, Mapping[str, float]]  # group -> control -> accuracy before training, mean over runs
    accuracy: Mapping[str, Mapping[str, Mapping[str, Estimate]]]  # arm -> group -> control
    tests: Mapping[str, Mapping[str, Against]]  # arm -> group; none for the baseline
    seed_noise: Mapping[str, float | None]  # group -> least difference of two arms beyond the noise of seeds
    unparsed: Mapping[
        str, float
    ]  # arm -> share of its answers to the clip that name no choice, mean over runs
    unpaired: tuple[str, ...]  # arms that were asked other questions than the baseline


def compare_on(name: str, runs: Mapping[str, Mapping[int, StoredRun]], baseline: str) -> HeldOutComparison:
    """Accuracies of all arms on one held-out set, and each against the baseline.

    Raises ValueError where the seeds of an arm were asked different questions.
    """
    answers = {arm: arm_answers for arm, of_arm in runs.items() if (arm_answers := _answers(name, of_arm))}
    first = answers[baseline] if baseline in answers else next(iter(answers.values()))
    groups = [group for group in GROUPS if first.where(group).any()]
    if all(arm_answers.where(groups[0]).all() for arm_answers in answers.values()):
        groups = ["all"]  # the others would repeat it
    paired = {
        arm: arm_answers
        for arm, arm_answers in answers.items()
        if arm_answers.ids == first.ids and "audio" in arm_answers.right
    }
    noise = {group: _noise(paired, group) for group in groups}
    by_group = {group: _tests(paired, baseline, group, noise[group]) for group in groups}
    tested = [arm for arm in paired if any(arm in of_group for of_group in by_group.values())]
    return HeldOutComparison(
        name=name,
        question_counts={group: int(first.where(group).sum()) for group in groups},
        chance={group: float(first.chance[first.where(group)].mean()) for group in groups},
        base=_before(name, runs, groups),
        accuracy={arm: _accuracies(arm_answers, groups) for arm, arm_answers in answers.items()},
        tests={
            arm: {group: of_group[arm] for group, of_group in by_group.items() if arm in of_group}
            for arm in tested
        },
        seed_noise=noise,
        unparsed={
            arm: share for arm, of_arm in runs.items() if (share := _unparsed(name, of_arm)) is not None
        },
        unpaired=tuple(arm for arm in answers if arm not in paired),
    )


def scores_of(tables: Json, group: str) -> Json:
    """The line of a group in the tables of an evaluation, by control; empty where there is none."""
    return _line(tables, group).get("scores", {})


def other_scores_of(tables: Json, group: str) -> Json:
    """The same by scorers other than the evaluation's, `{scorer: {control: score}}`."""
    return _line(tables, group).get("other_scores", {})


def _line(tables: Json, group: str) -> Json:
    return tables.get("all" if group == "all" else "contribution", {}).get(group, {})


@dataclass(frozen=True)
class _Answers:
    """Which answers of one arm's seeds were right: [S, Q] by control, with the questions' groups."""

    ids: tuple[str, ...]
    seeds: tuple[int, ...]
    contribution: np.ndarray  # [Q] of str
    chance: np.ndarray  # [Q]
    right: Mapping[str, np.ndarray]  # control -> bool [S, Q]

    def where(self, group: str) -> np.ndarray:
        """Which questions belong to a group: bool [Q]."""
        return np.ones(len(self.ids), dtype=bool) if group == "all" else self.contribution == group

    def of_seeds(self, seeds: Sequence[int], control: str) -> np.ndarray:
        """Rows of these seeds, [S, Q]."""
        return self.right[control][[self.seeds.index(seed) for seed in seeds]]


def _answers(name: str, runs: Mapping[int, StoredRun]) -> _Answers | None:
    """The single answers of an arm's seeds; None where it did not evaluate on this set.

    Raises ValueError where its seeds were asked different questions.
    """
    by_seed = {seed: rows for seed, run in runs.items() if (rows := run.answers("final", name))}
    if not by_seed:
        return None
    controls = [c for c in CONTROLS if any(row["control"] == c for row in next(iter(by_seed.values())))]
    right: dict[str, list[list[bool]]] = {control: [] for control in controls}
    asked: list[Json] = [row for row in next(iter(by_seed.values())) if row["control"] == controls[0]]
    ids = tuple(row["id"] for row in asked)
    for seed, rows in by_seed.items():
        for control in controls:
            of_control = {row["id"]: row["right"] for row in rows if row["control"] == control}
            if set(of_control) != set(ids):
                raise ValueError(
                    f"{runs[seed].path}: its held-out set {name} has other questions than another seed's; "
                    "the seeds of an arm must be evaluated alike"
                )
            right[control].append([of_control[key] for key in ids])
    return _Answers(
        ids=ids,
        seeds=tuple(by_seed),
        contribution=np.array([row["contribution"] or "" for row in asked]),
        chance=np.array([right_share(row["choices"], row.get("answer", "")) for row in asked]),
        right={control: np.array(rows, dtype=bool) for control, rows in right.items()},
    )


def _accuracies(answers: _Answers, groups: Iterable[str]) -> dict[str, dict[str, Estimate]]:
    """By group and control; a group of which the arm was asked nothing is left out."""
    asked = {group: where for group in groups if (where := answers.where(group)).any()}
    return {
        group: {
            control: _estimate(right[:, where], accuracy_interval(right[:, where]))
            for control, right in answers.right.items()
        }
        for group, where in asked.items()
    }


def _estimate(values: np.ndarray, interval: Interval) -> Estimate:
    return Estimate(float(values.mean()), *interval, tuple(values.mean(axis=1).tolist()))


def _noise(answers: Mapping[str, _Answers], group: str) -> float | None:
    """The noise of seeds from those that all arms have finished; None where there are none."""
    seeds = _common(answers.values()) if answers else []
    if not seeds:
        return None
    return seed_noise(
        np.array([a.of_seeds(seeds, "audio")[:, a.where(group)].mean(axis=1) for a in answers.values()])
    )


def _tests(
    paired: Mapping[str, _Answers], baseline: str, group: str, noise: float | None
) -> dict[str, Against]:
    """Every other arm against the baseline, all taken together; none where the baseline is not among them."""
    if baseline not in paired:
        return {}
    tests = {
        arm: test
        for arm, answers in paired.items()
        if arm != baseline and (test := _test(answers, paired[baseline], group, noise)) is not None
    }
    adjusted = holm([1.0 if test.p_value is None else test.p_value for test in tests.values()])
    return {arm: replace(test, holm=p) for (arm, test), p in zip(tests.items(), adjusted, strict=True)}


def _test(arm: _Answers, baseline: _Answers, group: str, noise: float | None) -> Against | None:
    """Paired over the seeds that both have finished and over the questions."""
    seeds = _common([baseline, arm])
    if not seeds:
        return None
    here = arm.where(group)
    after, before = (a.of_seeds(seeds, "audio")[:, here] for a in (arm, baseline))  # bool [S, Q]
    differences = after.astype(int) - before
    difference = _estimate(differences, difference_interval(after, before))
    p_value = difference_p_value(after, before)
    return Against(
        difference,
        p_value if differences.any() else None,
        holm=p_value,
        inside_noise=None if noise is None else abs(difference.value) <= noise,
    )


def _common(answers: Iterable[_Answers]) -> list[int]:
    first, *others = answers
    return [seed for seed in first.seeds if all(seed in other.seeds for other in others)]


def _before(
    name: str, runs: Mapping[str, Mapping[int, StoredRun]], groups: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Accuracy of the base by group and control, the mean over all runs."""
    accuracies: dict[str, dict[str, list[float]]] = {group: {} for group in groups}
    for run in (run for of_arm in runs.values() for run in of_arm.values()):
        tables = run.base.get(name, {}).get("tables", {})
        for group in groups:
            for control, score in scores_of(tables, group).items():
                accuracies[group].setdefault(control, []).append(score["accuracy"])
    return {group: {c: float(np.mean(v)) for c, v in of.items()} for group, of in accuracies.items() if of}


def _unparsed(name: str, runs: Mapping[int, StoredRun]) -> float | None:
    """Share of the final answers of an arm, to the clip, that name no choice; None where it is not known."""
    scores = [
        scores_of(run.final.get(name, {}).get("tables", {}), "all").get("audio", {}) for run in runs.values()
    ]
    shares = [score["unparsed"] for score in scores if score.get("unparsed") is not None]
    return float(np.mean(shares)) if shares else None
