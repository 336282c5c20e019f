"""What each stage of the run added: accuracy with audio before the run and after every stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rlaudio.report.sections.accuracy_tables import HEADLINE, Cell
from rlaudio.runs.run import StoredRun


@dataclass(frozen=True)
class StageGain:
    """Accuracies with audio on the first held-out set at one point of the run."""

    when: str
    accuracies: Mapping[str, Cell]  # strong, weak, all
    gains: Mapping[str, float]  # over the point before; empty at the first


def stage_gains(run: StoredRun) -> list[StageGain]:
    """One entry before the run and one after each stage; nothing where no stage was evaluated by itself."""
    if len(run.evaluations) < 3 or not run.held_out:
        return []
    gains: list[StageGain] = []
    first = run.held_out[0]
    for when, sets in run.evaluations.items():
        if first not in sets:
            continue
        tables = sets[first]["tables"]
        accuracies = {
            name: Cell.of(tables[grouping][name]["scores"]["audio"], "accuracy")
            for grouping, name in HEADLINE
            if "audio" in tables.get(grouping, {}).get(name, {}).get("scores", {})
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
