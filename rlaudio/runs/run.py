"""A run folder read back into records; the run need not be finished, and may still be going on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from rlaudio.runs.files import Json, read_json, read_rows
from rlaudio.runs.rollouts import LearnedGroup, from_json
from rlaudio.runs.versions import refuse_other_format


@dataclass(frozen=True)
class StoredRun:
    """What a run folder holds; None or empty where a file is not there (yet)."""

    path: Path
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
        return read_rows(self.path / "evaluation" / when / f"{held_out}.jsonl")

    @property
    def stages(self) -> list[str]:
        """Names of the stages that logged something, in the order of the run."""
        return list(dict.fromkeys(row["stage"] for row in self.metrics))

    def steps(self, stage: str) -> list[int]:
        """The steps of a stage whose rollouts are stored, in their order."""
        files = (self.path / "rollouts").glob(f"{stage}-*.jsonl")
        numbers = (path.stem.removeprefix(f"{stage}-") for path in files)
        return sorted(int(number) for number in numbers if number.isdigit())

    def rollouts(self, stage: str, step: int) -> list[LearnedGroup]:
        """The groups that a step sampled, as records.

        Raises FileNotFoundError where the step is not stored, ValueError with file and line of damage.
        """
        path = self.path / "rollouts" / f"{stage}-{step}.jsonl"
        if not path.is_file():
            steps = self.steps(stage)
            there = f"steps {steps[0]} to {steps[-1]}" if steps else "none"
            raise FileNotFoundError(f"{path}: no rollouts of step {step} of {stage!r}; there are: {there}")
        groups = []
        for number, row in enumerate(read_rows(path), start=1):
            try:
                groups.append(from_json(row))
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(
                    f"{path}, line {number}: expected a stored group, found {error!r}; delete the line"
                ) from error
        return groups

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
        return [(row["step"], row[metric]) for row in self.metrics if row["stage"] == stage and metric in row]


def open_run(path: str | Path) -> StoredRun:
    """Everything in the run folder `path`, also of a run that is still going or was cut off amid a line.

    Raises FileNotFoundError where it holds no run, ValueError for a folder of another format or with a
    damaged line, whose file and number it names.
    """
    path = Path(path)
    recipe = path / "recipe.yaml"
    if not recipe.exists():
        raise FileNotFoundError(f"{path}: found no recipe.yaml; expected the folder of a run")
    versions = read_json(path / "versions.json") or {}
    refuse_other_format(path, versions)
    recipe_yaml = recipe.read_text(encoding="utf-8")
    metrics = read_rows(path / "metrics.jsonl")
    return StoredRun(
        path=path,
        recipe_yaml=recipe_yaml,
        recipe=yaml.safe_load(recipe_yaml) or {},
        versions=versions,
        metrics=metrics,
        timings=read_rows(path / "timings.jsonl"),
        evaluations=_evaluations(path / "evaluation", metrics),
        labels=read_json(path / "labels.json") or {},
        samples=read_json(path / "samples" / "samples.json"),
        summary=read_json(path / "summary.json"),
    )


def _evaluations(folder: Path, metrics: Sequence[Json]) -> dict[str, Json]:
    """The tables that are there, in the order of the run."""
    stages = dict.fromkeys(row["stage"] for row in metrics)
    tables = {when: read_json(folder / f"{when}.json") for when in ("base", *stages, "final")}
    return {when: table for when, table in tables.items() if table}
