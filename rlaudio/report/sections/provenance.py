"""What a run was made of and with, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rlaudio.report.numbers import NO_VALUE, TIMES, duration, short_number, thousands
from rlaudio.report.run_data import RunData

Facts = list[tuple[str, str]]


@dataclass(frozen=True)
class Phase:
    """A part of the run's time."""

    name: str
    seconds: float


def phases(run: RunData) -> list[Phase]:
    """From the summary; before there is one, the sums of what was logged as time/<phase>."""
    if run.summary:
        return [Phase(name, seconds) for name, seconds in run.summary["seconds"].items()]
    totals: dict[str, float] = {}
    for row in run.timings:
        for name, seconds in row.items():
            if name.startswith("time/"):
                phase = name.removeprefix("time/")
                totals[phase] = totals.get(phase, 0.0) + seconds
    return [Phase(name, seconds) for name, seconds in totals.items()]


def facts(run: RunData) -> Facts:
    """The run in a few words: model, method, seed and cost."""
    recipe = run.recipe
    rewards = recipe.get("rewards") or {}
    found: Facts = [
        ("model", str((recipe.get("model") or {}).get("path", NO_VALUE))),
        ("curriculum", _used(recipe.get("curriculum"))),
        ("algorithm", _used(recipe.get("algorithm"))),
        (
            "rewards",
            ", ".join(f"{short_number(_weight(spec))} {TIMES} {name}" for name, spec in rewards.items()),
        ),
        ("seed", str(recipe.get("seed", 0))),
    ]
    if run.summary:
        found += [
            ("time", duration(sum(run.summary["seconds"].values()))),
            ("peak memory", f"{short_number(run.summary['peak_memory_gb'])} GB"),
            ("rollouts", thousands(run.summary["rollouts"])),
            ("trained tokens", thousands(run.summary["optimizer_tokens"])),
        ]
    return [(name, fact) for name, fact in found if fact]


def versions(run: RunData) -> Facts:
    """What the run was made with, as text."""
    return [
        (name.replace("_", " "), ", ".join(value) if isinstance(value, list) else str(value))
        for name, value in run.versions.items()
        if value not in (None, [])
    ]


def _used(plugin: Any) -> str:
    return str(plugin["use"] if isinstance(plugin, dict) else plugin or NO_VALUE)


def _weight(spec: Any) -> float:
    return float((spec or {}).get("weight", 1.0))
