"""Model, method, versions, time and memory of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlaudio.runs.run import StoredRun
from rlaudio.utils.number_format import NO_VALUE, TIMES, duration, short_number, thousands


@dataclass(frozen=True)
class Fact:
    """A name and a short text about the run."""

    name: str
    text: str
    whole: str = ""  # the full text, where `text` is shortened


@dataclass(frozen=True)
class RunPhase:
    """The time of a phase of the run."""

    name: str
    seconds: float


def phases(run: StoredRun) -> list[RunPhase]:
    """From the summary; before there is one, the sums of what was logged as time/<phase>."""
    if run.summary:
        return [RunPhase(name, seconds) for name, seconds in run.summary["seconds"].items()]
    totals: dict[str, float] = {}
    for row in run.timings:
        for name, seconds in row.items():
            if row["stage"] == "run" and name.startswith("time/"):
                phase = name.removeprefix("time/")
                totals[phase] = totals.get(phase, 0.0) + (seconds or 0.0)
    return [RunPhase(name, seconds) for name, seconds in totals.items()]


def facts(run: StoredRun) -> list[Fact]:
    """Model, method, seed, time and memory of the run."""
    recipe = run.recipe
    rewards = recipe.get("rewards") or {}
    listed = [
        Fact("model", str((recipe.get("model") or {}).get("path", NO_VALUE))),
        _plugin("curriculum", recipe.get("curriculum")),
        _plugin("algorithm", recipe.get("algorithm")),
        Fact(
            "rewards",
            ", ".join(f"{short_number(_weight(spec))} {TIMES} {name}" for name, spec in rewards.items()),
        ),
        Fact("seed", str(recipe.get("seed", 0))),
    ]
    if run.summary:
        listed += [
            Fact("time", duration(sum(run.summary["seconds"].values()))),
            Fact("peak memory", f"{short_number(run.summary['peak_memory_gb'])} GB"),
            Fact("rollouts", thousands(run.summary["rollouts"])),
            Fact("trained tokens", thousands(run.summary["optimizer_tokens"])),
        ]
    return [fact for fact in listed if fact.text]


def version_rows(run: StoredRun) -> list[tuple[str, str]]:
    """What the run was made with, as text."""
    return [
        (name.replace("_", " "), ", ".join(map(str, value)) if isinstance(value, list) else str(value))
        for name, value in run.versions.items()
        if value not in (None, [])
    ]


def _plugin(name: str, value: Any) -> Fact:
    """A plug-in by its name; a user's file by the file's name, with its path as the full text."""
    used = str(value.get("use", NO_VALUE) if isinstance(value, dict) else value or NO_VALUE)
    file = Path(used).name
    return Fact(name, file, used) if file != used else Fact(name, used)


def _weight(spec: Any) -> float:
    return float((spec or {}).get("weight", 1.0))
