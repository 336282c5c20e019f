"""A run folder read back into records; the run need not be finished, and may still be going on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rlaudio.runs import shapes
from rlaudio.runs.files import LARGEST_FILE, Json, lines, parse_row
from rlaudio.runs.places import (
    LABEL_ROWS,
    LABEL_TABLES,
    LABELS,
    METRICS,
    RECIPE,
    SAMPLES,
    SAMPLES_INDEX,
    SUMMARY,
    TIMINGS,
    VERSIONS,
    answers_file,
    check_run,
    rollouts_file,
    rollouts_of,
    tables_file,
)
from rlaudio.runs.rollouts import LearnedGroup, ReadClip, from_json
from rlaudio.runs.stored_files import StoredFiles
from rlaudio.runs.versions import refuse_other_format
from rlaudio.runs.waveforms import WaveformError, waveform_path, waveform_reader

LARGEST_RECIPE = 2**20  # bytes


@dataclass(frozen=True)
class StoredRun:
    """What a run folder holds; None or empty where a file is not there (yet)."""

    path: Path
    files: StoredFiles
    recipe_yaml: str
    recipe: Json
    versions: Json
    metrics: list[Json]
    timings: list[Json]
    evaluations: Mapping[str, Json]  # base, the stages but the last, final -> set -> Evaluation.to_dict()
    labels: Json  # data set -> LabelSummary.to_dict()
    samples: Json | None
    summary: Json | None

    @property
    def left_out(self) -> list[str]:
        """What was damaged and is left out, one message each; empty unless `open_run` was told to do so."""
        return self.files.left_out

    @property
    def base(self) -> Json:
        """The evaluation before the run, by held-out set."""
        return self.evaluations.get("base", {})

    @property
    def final(self) -> Json:
        """The evaluation after the run, by held-out set."""
        return self.evaluations.get("final", {})

    @property
    def held_out(self) -> list[str]:
        """Names of the held-out sets that were evaluated; the first one makes the headline."""
        return list(self.base or self.final)

    def answers(self, when: str, held_out: str) -> list[Json]:
        """The single answers ("base" or "final") on one held-out set, one row per question and control."""
        table = self.evaluations.get(when, {}).get(held_out)
        return self.files.answers(answers_file(when, held_out), table)

    @property
    def stages(self) -> list[str]:
        """Names of the stages that logged something, in the order of the run."""
        return list(dict.fromkeys(row["stage"] for row in self.metrics))

    @property
    def stages_with_rollouts(self) -> list[str]:
        """Stages of which rollouts are stored, in the order of the run.

        The metrics of one that crashed at its first step are missing: it comes last.
        """
        stored = sorted({path.stem.rpartition("-")[0] for path in self.path.glob(rollouts_file("*", "*"))})
        order = self.stages
        return sorted(stored, key=lambda stage: order.index(stage) if stage in order else len(stored))

    def steps(self, stage: str) -> list[int]:
        """The steps of a stage whose rollouts are stored, in their order."""
        return [step for step, _ in rollouts_of(self.path, stage)]

    def rollouts(self, stage: str, step: int, *, samples: bool = True) -> list[LearnedGroup]:
        """The groups that a step sampled, as records.

        Clips that were given as samples are read, each once; without `samples` the paths of their files stand
        for them, which need not be whole. Raises FileNotFoundError where the step is not stored, ValueError
        with file and line of damage.
        """
        path = self.files.path_of(rollouts_file(stage, step))
        if not path.exists():
            steps = self.steps(stage)
            there = f"steps {steps[0]} to {steps[-1]}" if steps else "none"
            raise FileNotFoundError(f"{path}: no rollouts of step {step} of {stage!r}; there are: {there}")
        groups = []
        read: ReadClip = waveform_reader(self.files) if samples else partial(waveform_path, self.files)
        for number, line in lines(path, LARGEST_FILE):
            row = parse_row(path, number, line, shapes.GROUP)
            try:
                groups.append(from_json(row, read))
            except WaveformError as error:
                raise ValueError(f"{path}, line {number}: {error}") from error
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"{path}, line {number}: expected a stored group, found {error!r}; delete the line"
                ) from error
        return groups

    def label_rows(self, name: str = "train") -> list[Json]:
        """What voters said of every question of a data set, one row a question."""
        return self.files.rows(f"{LABELS}/{name}/{LABEL_ROWS}", shapes.LABEL)

    def sample_clip(self, name: str, largest: int) -> bytes:
        """The content of a clip that `samples` name. Raises ValueError, OSError."""
        return self.files.bytes(f"{SAMPLES}/{name}", largest)

    @property
    def missing(self) -> list[str]:
        """What an unfinished run still lacks, as text; empty once there is a summary."""
        if self.summary:
            return []
        voters = (self.recipe.get("contribution") or {}).get("voters")
        parts: Mapping[str, object] = {
            "the audio-contribution labels": self.labels or not voters,
            "the evaluation before training": self.base,
            "metrics of training": self.metrics,
            "completions with audio": self.samples,
            "the evaluation after training": self.final,
            "the summary": self.summary,
        }
        return [part for part, value in parts.items() if not value]

    def series(self, stage: str, metric: str) -> list[tuple[float, float | None]]:
        """(step, value) of one metric in one stage."""
        rows = (*self.metrics, *self.timings)
        return [(row["step"], row[metric]) for row in rows if row["stage"] == stage and metric in row]


def open_run(path: str | Path, *, leave_out_damage: bool = False) -> StoredRun:
    """Everything in the run folder `path`, also of a run that is still going or was killed.

    Nothing that the folder names is run, and nothing outside it is read. Raises FileNotFoundError where it
    holds no run, ValueError for a folder of another format or with damage, whose file, line and key it names:
    a last line that is not whole is damage but in metrics.jsonl and timings.jsonl, to which rows are added.
    With `leave_out_damage` only recipe.yaml must be whole, and the run's `left_out` says what is missing.
    """
    path = Path(path)
    check_run(path)
    files = StoredFiles(path, leave_out=leave_out_damage)
    versions = files.json(VERSIONS, shapes.MAP) or {}
    refuse_other_format(path, versions)
    recipe_yaml, recipe = files.yaml(RECIPE, shapes.RECIPE, LARGEST_RECIPE)
    metrics = files.rows(METRICS, shapes.METRICS, appended=True)
    return StoredRun(
        path=path,
        files=files,
        recipe_yaml=recipe_yaml,
        recipe=recipe,
        versions=versions,
        metrics=metrics,
        timings=files.rows(TIMINGS, shapes.METRICS, appended=True),
        evaluations=_evaluations(files, metrics),
        labels=files.json(LABEL_TABLES, shapes.LABELS) or {},
        samples=files.json(SAMPLES_INDEX, shapes.SAMPLES),
        summary=files.json(SUMMARY, shapes.SUMMARY),
    )


def _evaluations(files: StoredFiles, metrics: Sequence[Json]) -> dict[str, Json]:
    """The tables that are there, in the order of the run."""
    stages = dict.fromkeys(row["stage"] for row in metrics)
    names = dict.fromkeys(("base", *stages, "final"))
    tables = {when: files.json(tables_file(when), shapes.EVALUATIONS) for when in names}
    return {when: table for when, table in tables.items() if table}
