"""A comparison from its file to its page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rlaudio.compare.compare_folder import open_folder
from rlaudio.compare.compare_page import write_comparison_page
from rlaudio.compare.grid import Comparison
from rlaudio.compare.results import Results, read_results
from rlaudio.compare.running import RunRecipe, run_jobs
from rlaudio.compare.sharing import jobs
from rlaudio.runs.files import write_json
from rlaudio.runs.resuming import accept_plugins


@dataclass(frozen=True)
class ComparisonOutcome:
    """The page and the results behind it."""

    page: Path
    results: Results


def compare(
    comparison: Comparison,
    folder: Path,
    run: RunRecipe,
    *,
    resume: bool = False,
    devices: Sequence[str] = (),
) -> ComparisonOutcome:
    """Run what is not done yet and write comparison.json and comparison.html into `folder`.

    `run` runs a recipe in this process: `rlaudio.pipeline.run`. A run that fails does not stop the others
    and is listed in the results' `failures`, as is a damaged one. Raises FileExistsError where the folder is
    not empty and `resume` is not given, ValueError where it holds another comparison or no run finished,
    Interrupted after Ctrl-C (saved, to be resumed).
    """
    with open_folder(folder, comparison, resume=resume):
        failures = run_jobs(jobs(comparison.runs(), comparison.name), folder, run, devices)
        results = read_results(comparison, folder, failures)
        write_json(folder / "comparison.json", results.to_dict())
        page = write_comparison_page(results, [arm.name for arm in comparison.arms], folder)
        return ComparisonOutcome(page, results)


def accept_changed_plugins(comparison: Comparison, folder: Path) -> None:
    """Have the runs in the folder go on with the files of the user's plug-ins as they are now."""
    for job in jobs(comparison.runs(), comparison.name):
        accept_plugins(folder / job.place)
