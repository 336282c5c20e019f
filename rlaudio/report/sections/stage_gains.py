"""What each stage of the run added: accuracy with audio before the run and after every stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rlaudio.report.sections.accuracy_tables import Cell, headline_groups
from rlaudio.runs.run import StoredRun


@dataclass(frozen=True)
class StageGain:
    """Accuracies with audio on a held-out set at one point of the run."""

    when: str
    accuracies: Mapping[str, Cell]  # of strong, weak and all, as in the headline
    gains: Mapping[str, float]  # over the point before; empty at the first


def stage_gains(run: StoredRun) -> dict[str, list[StageGain]]:
    """By held-out set one entry before the run and one after each stage; none if no stage was evaluated."""
    if len(run.evaluations) < 3:
        return {}
    return {name: gains for name in run.held_out if (gains := _gains(run, name))}


def _gains(run: StoredRun, held_out: str) -> list[StageGain]:
    gains: list[StageGain] = []
    for when, sets in run.evaluations.items():
        if held_out not in sets:
            continue
        tables = sets[held_out]["tables"]
        accuracies = {
            name: Cell.of(tables[grouping][name]["scores"]["audio"], "accuracy")
            for grouping, name in headline_groups(tables)
            if "audio" in tables[grouping][name]["scores"]
        }
        before = gains[-1].accuracies if gains else {}
        added = {n: cell.value - before[n].value for n, cell in accuracies.items() if n in before}
        gains.append(StageGain(_title(when, run), accuracies, added))
    return gains


def _title(when: str, run: StoredRun) -> str:
    if when == "base":
        return "before the run"
    stage = when if when != "final" else run.stages[-1] if run.stages else "run"
    return f"after {stage.upper()}"
