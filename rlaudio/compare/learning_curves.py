"""Learning curves of an arm over its seeds, and the mean cost of its training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlaudio.compare.estimates import GROUPS, other_scores_of, scores_of
from rlaudio.compare.grid import Arm
from rlaudio.runs.files import Json
from rlaudio.runs.metrics import is_declared, known_values
from rlaudio.runs.run import StoredRun

LAST_SHARE = 0.1  # of the RL steps: what rewards and lengths were in the end


@dataclass(frozen=True)
class Cost:
    """What an arm used, mean over its seeds."""

    rollouts: float  # completions sampled in training, also those with silence
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
    """Cost and learning curves of one arm."""

    name: str
    says: Mapping[str, Any]  # its own recipe keys
    seeds: tuple[int, ...]  # that are finished
    cost: Cost
    last: Mapping[str, float]  # metric -> mean over the last RL steps and seeds
    curves: Mapping[str, Band]  # by metric


def arm_result(arm: Arm, runs: Mapping[int, StoredRun]) -> ArmResult:
    """The training of an arm, from the run folders of its seeds."""
    steps = {seed: _rl_rows(run) for seed, run in runs.items()}
    drawn = [_drawn_rows(run, steps[seed]) for seed, run in runs.items() if steps[seed]]
    names = [
        name for name in dict.fromkeys(n for rows in drawn for row in rows for n in row) if is_declared(name)
    ]
    curves = {name: band for name in names if (band := _band(name, drawn))}
    return ArmResult(
        name=arm.name,
        says=dict(arm.says),
        seeds=tuple(runs),
        cost=_cost(arm, runs, steps),
        last={name: value for name in names if (value := _last(name, list(steps.values()))) is not None},
        curves=curves,
    )


def _rl_rows(run: StoredRun) -> list[Json]:
    """One row for every RL step; rows of evaluations during the step are merged into it."""
    merged: dict[tuple[str, int], Json] = {}
    for row in run.metrics:
        merged.setdefault((row["stage"], row["step"]), {}).update(row)
    return [row for row in merged.values() if "rollout/completions" in row]


def _drawn_rows(run: StoredRun, rl_rows: Sequence[Json]) -> list[Json]:
    """The RL steps with the held-out accuracy that they began with, if SFT ended with it, and ended with."""
    first = run.metrics.index(next(row for row in run.metrics if "rollout/completions" in row))
    before = [row for row in run.metrics[:first] if row["step"] == run.metrics[first - 1]["step"]]
    start = {n: value for row in before[-2:] for n, value in row.items() if n.startswith("eval/")}
    tables: Json = next(iter(run.final.values()))["tables"] if run.final else {}
    end = {
        f"eval/{group}_{control}": score["accuracy"]
        for group in GROUPS
        for control, score in scores_of(tables, group).items()
    } | {
        f"eval/{group}_{control}_{scorer}": score["accuracy"]
        for group in GROUPS
        for scorer, scores in other_scores_of(tables, group).items()
        for control, score in scores.items()
    }
    midway = any("eval/all_audio" in row for row in rl_rows)
    last = end | rl_rows[-1] if start or midway else rl_rows[-1]
    return [*([start | {"rollout/completions": 0.0}] if start else []), *rl_rows[:-1], last]


def _sampled(row: Json) -> float:
    return (row["rollout/completions"] or 0.0) + (row.get("rollout/silent_completions") or 0.0)


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
    points = zip(sampled.tolist(), (row.get(name) for row in rows), strict=True)
    return [(x, known) for x, value in points for known in known_values([value])]


def _last(name: str, seeds: Sequence[Sequence[Json]]) -> float | None:
    """Mean over the last tenth of the RL steps of every seed."""
    means = []
    for rows in seeds:
        last = rows[-max(1, round(LAST_SHARE * len(rows))) :]
        if values := known_values(row.get(name) for row in last):
            means.append(float(np.mean(values)))
    return float(np.mean(means)) if means else None


def _cost(arm: Arm, runs: Mapping[int, StoredRun], steps: Mapping[int, Sequence[Json]]) -> Cost:
    def mean(of: Callable[[int], float]) -> float:
        return float(np.mean([of(seed) for seed in runs]))

    def tokens(rows: Iterable[Json]) -> float:
        return sum(row.get("optimizer/tokens") or 0.0 for row in rows)

    all_tokens = mean(lambda seed: tokens(runs[seed].metrics))
    rl_tokens = mean(lambda seed: tokens(steps[seed]))
    seconds = {seed: (run.summary or {}).get("seconds", {}) for seed, run in runs.items()}
    return Cost(
        rollouts=mean(lambda seed: sum(map(_sampled, steps[seed]))),
        tokens=all_tokens,
        sft_tokens=all_tokens - rl_tokens,
        rl_tokens=rl_tokens,
        rl_steps=mean(lambda seed: len(steps[seed])),
        updates=mean(lambda seed: sum(row.get("optimizer/updates", 1.0) or 0.0 for row in steps[seed])),
        seconds=mean(lambda seed: sum(seconds[seed].values())),
        train_seconds=mean(lambda seed: seconds[seed].get("train", 0.0)),
        ended_by=" or ".join(
            dict.fromkeys(
                _end(arm, sum(map(_sampled, rows)), tokens(rows), tokens(runs[seed].metrics))
                for seed, rows in steps.items()
            )
        ),
    )


def _end(arm: Arm, rollouts: float, tokens: float, run_tokens: float) -> str:
    """What ended RL: its completions, its tokens or those of the run, or its steps."""
    training = arm.recipe.training
    if not rollouts:
        return "no RL"
    if training.max_rollouts and rollouts >= training.max_rollouts:
        return "completions"
    spent = training.run_tokens and run_tokens >= training.run_tokens
    return "tokens" if spent or (training.max_tokens and tokens >= training.max_tokens) else "steps"
