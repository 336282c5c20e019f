"""What a comparison found: every number of its page, read from the run folders of its arms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rlaudio.comparison.grid import Arm, Comparison
from rlaudio.comparison.running import Failure
from rlaudio.evaluation.statistics import (
    crossed_bootstrap_interval,
    holm,
    seed_noise,
    sign_flip_p_value,
)
from rlaudio.report.run_data import Json, RunData, read_run

GROUPS = ("strong", "weak", "all")
CONTROLS = ("audio", "silence", "mismatch")
UNEQUAL = 0.05  # budgets further apart than this are pointed at
LAST_SHARE = 0.1  # of the RL steps: what rewards and lengths were in the end


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds and questions, its 95 % interval over both, and each seed's own."""

    value: float
    low: float
    high: float
    by_seed: tuple[float, ...]


@dataclass(frozen=True)
class Against:
    """An arm against the baseline, on the same questions and seeds: accuracy with audio, in fractions."""

    difference: Estimate
    p_value: float  # exact sign flips over questions: McNemar's test where there is one seed
    holm: float  # the same for all arms of the comparison together
    inside_noise: bool | None  # of seeds; None: not known


@dataclass(frozen=True)
class HeldOut:
    """All arms on one held-out set."""

    name: str
    questions: Mapping[str, int]  # by group
    chance: Mapping[str, float]
    base: Mapping[str, Mapping[str, float]]  # group -> control -> accuracy before training, mean over runs
    accuracy: Mapping[str, Mapping[str, Mapping[str, Estimate]]]  # arm -> group -> control
    tests: Mapping[str, Mapping[str, Against]]  # arm -> group; none for the baseline
    seed_noise: Mapping[str, float | None]  # group -> least difference of two arms that is more than noise
    unpaired: tuple[str, ...]  # arms that were asked other questions than the baseline


@dataclass(frozen=True)
class Cost:
    """What an arm used, mean over its seeds."""

    rollouts: float  # completions sampled in training, in silence too
    tokens: float  # that entered a loss, SFT and RL
    sft_tokens: float
    rl_tokens: float
    rl_steps: float
    updates: float  # of the optimizer in RL
    seconds: float  # the whole run, as it would have taken alone
    train_seconds: float
    ended_by: str  # what ended RL


@dataclass(frozen=True)
class Band:
    """One metric of an arm's RL over the completions sampled so far: mean and range over seeds."""

    rollouts: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class ArmResult:
    """What one arm used and how its training went."""

    name: str
    says: Mapping[str, Any]  # its own recipe keys
    seeds: tuple[int, ...]  # that are finished
    cost: Cost
    last: Mapping[str, float]  # metric -> mean over the last RL steps and seeds
    curves: Mapping[str, Band]  # by metric


@dataclass(frozen=True)
class Results:
    """Everything the page shows."""

    name: str
    base: str
    note: str
    baseline: str
    seeds: tuple[int, ...]
    limits: Mapping[str, Mapping[str, int | None]]  # arm -> max_rollouts, max_tokens
    arms: tuple[ArmResult, ...]  # those with a finished run
    held_out: tuple[HeldOut, ...]
    missing: tuple[str, ...]  # places of runs that are not finished
    failures: tuple[Failure, ...]
    warnings: tuple[str, ...]
    versions: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON."""
        return asdict(self)


def read_results(
    comparison: Comparison, folder: Path, failures: Sequence[Failure] = (), *, resamples: int = 2000
) -> Results:
    """The results of all finished runs in the folder of a comparison.

    Raises ValueError where no run is finished or a file is damaged.
    """
    runs: dict[str, dict[int, RunData]] = {}
    missing = []
    for run in comparison.runs():
        if (folder / run.place / "summary.json").exists():
            runs.setdefault(run.arm, {})[run.seed] = read_run(folder / run.place)
        else:
            missing.append(run.place)
    if not runs:
        said = "; ".join(f"{failure.place}: {failure.reason}" for failure in failures[:3])
        raise ValueError(
            f"{folder}: no run is finished{f' ({said})' if said else ''}; nothing to compare yet"
        )
    arms = [arm for arm in comparison.arms if arm.name in runs]
    read = tuple(_arm(arm, runs[arm.name]) for arm in arms)
    held_out = tuple(
        _held_out(name, runs, comparison.baseline, resamples)
        for name in next(iter(runs[arms[0].name].values())).final
    )
    results = Results(
        name=comparison.name,
        base=comparison.base,
        note=comparison.note,
        baseline=comparison.baseline,
        seeds=comparison.seeds,
        limits={
            arm.name: {
                "max_rollouts": arm.recipe.training.max_rollouts,
                "max_tokens": arm.recipe.training.max_tokens,
            }
            for arm in comparison.arms
        },
        arms=read,
        held_out=held_out,
        missing=tuple(missing),
        failures=tuple(failures),
        warnings=(),
        versions=next(iter(runs[arms[0].name].values())).versions,
    )
    return replace(results, warnings=tuple(_warnings(results)))


# --- accuracy ------------------------------------------------------------------------------------


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


def _held_out(name: str, runs: Mapping[str, Mapping[int, RunData]], baseline: str, resamples: int) -> HeldOut:
    answers = {arm: found for arm, of_arm in runs.items() if (found := _answers(name, of_arm))}
    first = answers[baseline] if baseline in answers else next(iter(answers.values()))
    groups = [group for group in GROUPS if first.where(group).any()]
    accuracy = {
        arm: {
            group: {
                control: _estimate(right[:, found.where(group)], resamples)
                for control, right in found.right.items()
            }
            for group in groups
            if found.where(group).any()
        }
        for arm, found in answers.items()
    }
    paired = {
        arm: found for arm, found in answers.items() if found.ids == first.ids and "audio" in found.right
    }
    noise = {group: _noise(paired, group) for group in groups}
    tests: dict[str, dict[str, Against]] = {arm: {} for arm in paired if arm != baseline}
    if baseline in paired:
        for group in groups:
            of_group = {arm: _test(paired[arm], first, group, noise[group], resamples) for arm in tests}
            known = {arm: test for arm, test in of_group.items() if test is not None}
            adjusted = holm([test.p_value for test in known.values()])
            for (arm, test), p_value in zip(known.items(), adjusted, strict=True):
                tests[arm][group] = replace(test, holm=p_value)
    return HeldOut(
        name=name,
        questions={group: int(first.where(group).sum()) for group in groups},
        chance={group: float(first.chance[first.where(group)].mean()) for group in groups},
        base=_before(name, runs, groups),
        accuracy=accuracy,
        tests={arm: of_arm for arm, of_arm in tests.items() if of_arm},
        seed_noise=noise,
        unpaired=tuple(arm for arm in answers if arm not in paired),
    )


def _answers(name: str, runs: Mapping[int, RunData]) -> _Answers | None:
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
        chance=np.array([1 / len(row["choices"]) for row in asked]),
        right={control: np.array(rows, dtype=bool) for control, rows in right.items()},
    )


def _estimate(values: np.ndarray, resamples: int) -> Estimate:
    """Of values [S, Q]."""
    low, high = crossed_bootstrap_interval(values, resamples=resamples, rng=np.random.default_rng(0))
    return Estimate(float(values.mean()), low, high, tuple(values.mean(axis=1).tolist()))


def _noise(answers: Mapping[str, _Answers], group: str) -> float | None:
    """The noise of seeds from those that all arms have finished."""
    seeds = _common(answers.values())
    if not seeds:
        return None
    return seed_noise(
        np.array([a.of_seeds(seeds, "audio")[:, a.where(group)].mean(axis=1) for a in answers.values()])
    )


def _test(
    arm: _Answers, baseline: _Answers, group: str, noise: float | None, resamples: int
) -> Against | None:
    """Paired over the seeds that both have finished and over the questions."""
    seeds = _common([baseline, arm])
    if not seeds:
        return None
    here = arm.where(group)
    pairs = [a.of_seeds(seeds, "audio")[:, here].astype(int) for a in (arm, baseline)]
    differences = pairs[0] - pairs[1]  # [S, Q]
    difference = _estimate(differences, resamples)
    p_value = sign_flip_p_value(differences.sum(axis=0))
    return Against(difference, p_value, p_value, None if noise is None else abs(difference.value) <= noise)


def _common(answers: Iterable[_Answers]) -> list[int]:
    first, *others = answers
    return [seed for seed in first.seeds if all(seed in other.seeds for other in others)]


def _before(
    name: str, runs: Mapping[str, Mapping[int, RunData]], groups: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Accuracy of the base by group and control, the mean over all runs."""
    found: dict[str, dict[str, list[float]]] = {group: {} for group in groups}
    for run in (run for of_arm in runs.values() for run in of_arm.values()):
        tables = run.base.get(name, {}).get("tables", {})
        for group in groups:
            for control, score in _scores(tables, group).items():
                found[group].setdefault(control, []).append(score["accuracy"])
    return {group: {c: float(np.mean(v)) for c, v in of.items()} for group, of in found.items() if of}


# --- training ------------------------------------------------------------------------------------


def _arm(arm: Arm, runs: Mapping[int, RunData]) -> ArmResult:
    steps = {seed: _rl_rows(run) for seed, run in runs.items()}
    drawn = [_drawn_rows(run, steps[seed]) for seed, run in runs.items() if steps[seed]]
    names = dict.fromkeys(name for rows in drawn for row in rows for name in row if "/" in name)
    curves = {name: band for name in names if (band := _band(name, drawn))}
    return ArmResult(
        name=arm.name,
        says=dict(arm.says),
        seeds=tuple(runs),
        cost=_cost(arm, runs, steps),
        last={name: value for name in names if (value := _last(name, list(steps.values()))) is not None},
        curves=curves,
    )


def _rl_rows(run: RunData) -> list[Json]:
    """One row for every RL step; evaluations in its midst, which are rows of their own, are taken in."""
    merged: dict[tuple[str, int], Json] = {}
    for row in run.metrics:
        merged.setdefault((row["stage"], row["step"]), {}).update(row)
    return [row for row in merged.values() if "rollout/completions" in row]


def _drawn_rows(run: RunData, rl_rows: Sequence[Json]) -> list[Json]:
    """The RL steps with the held-out accuracy that they began with, if SFT ended with it, and ended with."""
    first = run.metrics.index(next(row for row in run.metrics if "rollout/completions" in row))
    before = [row for row in run.metrics[:first] if row["step"] == run.metrics[first - 1]["step"]]
    start = {n: value for row in before[-2:] for n, value in row.items() if n.startswith("eval/")}
    tables: Json = next(iter(run.final.values()))["tables"] if run.final else {}
    end = {
        f"eval/{group}_{control}": score["accuracy"]
        for group in GROUPS
        for control, score in _scores(tables, group).items()
    }
    midway = any("eval/all_audio" in row for row in rl_rows)
    last = end | rl_rows[-1] if start or midway else rl_rows[-1]
    return [*([start | {"rollout/completions": 0.0}] if start else []), *rl_rows[:-1], last]


def _scores(tables: Json, group: str) -> Json:
    line = tables.get("all" if group == "all" else "contribution", {}).get(group)
    return line["scores"] if line else {}


def _sampled(row: Json) -> float:
    return row["rollout/completions"] + row.get("rollout/silent_completions", 0.0)


def _band(name: str, seeds: Sequence[Sequence[Json]]) -> Band | None:
    """One metric at the steps that all seeds made and at each one's last; None for fewer than two points."""
    curves = [_points(name, rows) for rows in seeds]
    shared = min((len(curve) for curve in curves), default=0)
    if shared < 2:
        return None
    points = [[curve[at] for curve in curves] for at in (*range(shared - 1), -1)]  # of every seed
    values = [[value for _, value in point] for point in points]
    return Band(
        rollouts=tuple(float(np.mean([x for x, _ in point])) for point in points),
        mean=tuple(float(np.mean(v)) for v in values),
        low=tuple(min(v) for v in values),
        high=tuple(max(v) for v in values),
    )


def _points(name: str, rows: Sequence[Json]) -> list[tuple[float, float]]:
    """(completions sampled so far, value) wherever the metric has one."""
    sampled = np.cumsum([_sampled(row) for row in rows])
    found = zip(sampled.tolist(), (row.get(name) for row in rows), strict=True)
    return [(x, float(value)) for x, value in found if value is not None]


def _last(name: str, seeds: Sequence[Sequence[Json]]) -> float | None:
    """Mean over the last tenth of the RL steps of every seed."""
    means = []
    for rows in seeds:
        values = [
            row[name] for row in rows[-max(1, round(LAST_SHARE * len(rows))) :] if row.get(name) is not None
        ]
        if values:
            means.append(float(np.mean(values)))
    return float(np.mean(means)) if means else None


def _cost(arm: Arm, runs: Mapping[int, RunData], steps: Mapping[int, Sequence[Json]]) -> Cost:
    def mean(of: Callable[[int], float]) -> float:
        return float(np.mean([of(seed) for seed in runs]))

    def tokens(rows: Iterable[Json]) -> float:
        return sum(row.get("optimizer/tokens", 0.0) for row in rows)

    all_tokens = mean(lambda seed: tokens(runs[seed].metrics))
    rl_tokens = mean(lambda seed: tokens(steps[seed]))
    seconds = {seed: (run.summary or {}).get("seconds", {}) for seed, run in runs.items()}
    return Cost(
        rollouts=mean(lambda seed: sum(map(_sampled, steps[seed]))),
        tokens=all_tokens,
        sft_tokens=all_tokens - rl_tokens,
        rl_tokens=rl_tokens,
        rl_steps=mean(lambda seed: len(steps[seed])),
        updates=mean(lambda seed: sum(row.get("optimizer/updates", 1.0) for row in steps[seed])),
        seconds=mean(lambda seed: sum(seconds[seed].values())),
        train_seconds=mean(lambda seed: seconds[seed].get("train", 0.0)),
        ended_by=" or ".join(
            dict.fromkeys(_end(arm, sum(map(_sampled, rows)), tokens(rows)) for rows in steps.values())
        ),
    )


def _end(arm: Arm, rollouts: float, tokens: float) -> str:
    """What ended RL."""
    training = arm.recipe.training
    if not rollouts:
        return "no RL"
    if training.max_rollouts and rollouts >= training.max_rollouts:
        return "completions"
    return "tokens" if training.max_tokens and tokens >= training.max_tokens else "steps"


# --- warnings ------------------------------------------------------------------------------------


def _warnings(results: Results) -> list[str]:
    """What a reader must know before believing the tables."""
    return [*_noise_warnings(results), *_budget_warnings(results), *_seed_warnings(results)]


def _noise_warnings(results: Results) -> list[str]:
    found = []
    for held_out in results.held_out[:1]:
        group = next(iter(held_out.questions))
        noise = held_out.seed_noise[group]
        inside = [a for a, tests in held_out.tests.items() if group in tests and tests[group].inside_noise]
        if noise is not None and inside:
            found.append(
                f"Inside the noise of seeds on {_questions(group)}: {_listed(inside)} "
                f"{'differs' if len(inside) == 1 else 'differ'} from {results.baseline} by no more than the "
                f"{100 * noise:.1f} points that two arms can be apart by their seeds alone."
            )
        sure = [a for a, tests in held_out.tests.items() if group in tests and tests[group].holm < 0.05]
        if held_out.tests and not sure:
            found.append(
                f"No arm differs from {results.baseline} on {_questions(group)} at 5 % once all "
                f"{len(held_out.tests)} tests are taken together (Holm)."
            )
        if held_out.unpaired:
            found.append(
                f"{_listed(held_out.unpaired)}: asked other held-out questions than {results.baseline}, so "
                "there is no paired test."
            )
    return found


def _budget_warnings(results: Results) -> list[str]:
    found = []
    for what, of in (("completions", "rollouts"), ("optimizer tokens", "tokens")):
        used = {arm.name: getattr(arm.cost, of) for arm in results.arms}
        reference = used.get(results.baseline)
        if not reference:
            continue
        apart = [
            f"{name} {100 * (value / reference - 1):+.0f} %".replace("-", "\u2212")
            for name, value in used.items()
            if abs(value / reference - 1) > UNEQUAL
        ]
        if apart:
            found.append(f"Unequal budgets, {what} against {results.baseline}: {', '.join(apart)}.")
    return found


def _seed_warnings(results: Results) -> list[str]:
    fewest = min(len(arm.seeds) for arm in results.arms)
    if fewest == 1:
        return ["One seed: nothing is known about its noise, and intervals hold for this very seed alone."]
    if fewest < 5:
        return [
            f"With {fewest} seeds the bootstrap sees only {100 * (1 - 1 / fewest):.0f} % of their variance."
        ]
    return []


def _questions(group: str) -> str:
    return "all questions" if group == "all" else f"{group} questions"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
