"""What is kept of a run when it ends: samples, clips, the summary, the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rlaudio.builder.answering import clip_opener
from rlaudio.config.recipe import Recipe
from rlaudio.curricula.stage import Stage
from rlaudio.report.page import write_report
from rlaudio.report.sections.completions import choose_steps
from rlaudio.runs.clip_files import has_clips
from rlaudio.runs.folder import RunFolder
from rlaudio.runs.run import open_run
from rlaudio.runs.summary import build_summary
from rlaudio.training.stages import stage_names
from rlaudio.types import Dataset, Datasets
from rlaudio.utils.peak_memory import peak_memory_gb
from rlaudio.viewer.kept_clips import keep_clips

_SAMPLES = 10  # groups that TensorBoard shows


def keep_samples(recipe: Recipe, stages: Sequence[Stage], data: Datasets, folder: RunFolder) -> None:
    """Keep a few groups of the last RL step with their audio, for the page."""
    name = stage_names(stages)[-1]
    steps = [row["step"] for row in open_run(folder.path).metrics if row["stage"] == name]
    if stages[-1].kind != "rl" or not steps or folder.has_samples:
        return
    hear = clip_opener(recipe)
    folder.write_samples(
        name,
        steps[-1],  # a budget may have ended the stage early
        data.train,
        lambda question: hear(question.clips[0]),
        min(recipe.report.completions, _SAMPLES),
    )


def keep_shown_clips(recipe: Recipe, questions: Dataset, folder: Path) -> None:
    """Keep the clips of the completions that the page shows."""
    if has_clips(folder):
        return
    shown = choose_steps(open_run(folder), recipe.report.completions)
    by_id = {question.id: question for question in questions}
    ids = [group.scored.group.prompt.question.id for _, _, group in shown.groups]
    keep_clips(folder, {"train": [by_id[id] for id in ids if id in by_id]}, clip_opener(recipe))


def write_results(recipe: Recipe, folder: RunFolder) -> Path:
    """Write the summary and the page, whose path is returned."""
    summary = _summary_of(folder)
    folder.write_summary(summary)
    accuracy = {
        f"final/{group}_{control}": value
        for group, by_control in summary["accuracy"]["final"].items()
        for control, value in by_control.items()
        if value is not None
    }
    folder.write_hparams(recipe.model_dump(mode="json", exclude={"data"}), accuracy)
    return write_report(folder.path)


# --- helpers -------------------------------------------------------------------------------------


def _summary_of(folder: RunFolder) -> dict[str, Any]:
    """The run's summary from the files of its folder."""
    run = open_run(folder.path)
    seconds: dict[str, float] = {}
    for row in run.timings:
        if row["stage"] == "run":
            for name, value in row.items():
                if name.startswith("time/"):
                    phase = name.removeprefix("time/")
                    seconds[phase] = seconds.get(phase, 0.0) + value
    return build_summary(
        evaluations=run.evaluations,
        labels=run.labels.get("train"),
        seconds=seconds,
        peak_memory_gb=peak_memory_gb(),
        rollouts=int(sum(row.get("rollout/completions", 0) for row in run.metrics)),
        optimizer_tokens=int(sum(row.get("optimizer/tokens", 0) for row in run.metrics)),
    )
