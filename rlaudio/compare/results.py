"""The results of a comparison: every number of its page, read from the run folders of its arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlaudio.compare.estimates import HeldOutComparison, compare_on
from rlaudio.compare.grid import Comparison
from rlaudio.compare.learning_curves import ArmResult, arm_result
from rlaudio.compare.running import Failure
from rlaudio.compare.warnings import comparison_warnings
from rlaudio.runs.digests import check_recorded
from rlaudio.runs.places import ANSWERS, METRICS, answers_file, is_finished, tables_file
from rlaudio.runs.run import StoredRun, open_run
from rlaudio.utils.stored_keys import as_stored


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
    held_out: tuple[HeldOutComparison, ...]
    missing: tuple[str, ...]  # places of runs that are not finished
    failures: tuple[Failure, ...]
    warnings: tuple[str, ...]
    versions: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON."""
        return as_stored(self)


def read_results(comparison: Comparison, folder: Path, failures: Sequence[Failure] = ()) -> Results:
    """The results of all finished runs in the folder of a comparison; a damaged one counts as failed.

    Raises ValueError where no run is finished.
    """
    runs: dict[str, dict[int, StoredRun]] = {}
    missing: list[str] = []
    failures = list(failures)
    for run in comparison.runs():
        if not is_finished(folder / run.place):
            missing.append(run.place)
            continue
        try:
            runs.setdefault(run.arm, {})[run.seed] = _whole(folder / run.place)
        except ValueError as damage:
            failures.append(Failure(run.place, str(damage)))
    runs = {arm: of_arm for arm, of_arm in runs.items() if of_arm}
    if not runs:
        said = "; ".join(f"{failure.place}: {failure.reason}" for failure in failures[:3])
        raise ValueError(
            f"{folder}: no run is finished{f' ({said})' if said else ''}; nothing to compare yet"
        )
    arms = [arm for arm in comparison.arms if arm.name in runs]
    read = tuple(arm_result(arm, runs[arm.name]) for arm in arms)
    first = next(iter(runs[arms[0].name].values()))
    held_out = tuple(compare_on(name, runs, comparison.baseline) for name in first.final)
    return Results(
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
        warnings=comparison_warnings(read, held_out, comparison.baseline),
        versions=first.versions,
    )


def _whole(path: Path) -> StoredRun:
    """The run, with its own answers. Raises ValueError for damage, edits, and where there are none."""
    run = open_run(path)
    check_recorded(path, ANSWERS, tables_file("final"), METRICS)
    for name in run.final:
        if not run.answers("final", name):
            raise ValueError(
                f"{path}: {tables_file('final')} has a table of {name}, and {answers_file('final', name)} no "
                "answers; copy the file again"
            )
    return run
