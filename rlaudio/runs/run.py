"""The files of a run folder, read back; the run need not be finished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from rlaudio.runs.files import Json, read_json, read_rows


@dataclass(frozen=True)
class RunData:
    """The files of a run folder; None or empty where a file is not there (yet)."""

    path: Path
    recipe_yaml: str
    recipe: Json
    versions: Json
    metrics: list[Json]
    timings: list[Json]
    base: Json  # held-out set -> Evaluation.to_dict()
    final: Json
    labels: Json  # data set -> LabelSummary.to_dict()
    samples: Json | None
    summary: Json | None

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


def read_run(path: Path) -> RunData:
    """Everything in the run folder `path`. Raises FileNotFoundError where it holds no run."""
    recipe = path / "recipe.yaml"
    if not recipe.exists():
        raise FileNotFoundError(f"{path}: found no recipe.yaml; expected the folder of a run")
    recipe_yaml = recipe.read_text(encoding="utf-8")
    return RunData(
        path=path,
        recipe_yaml=recipe_yaml,
        recipe=yaml.safe_load(recipe_yaml) or {},
        versions=read_json(path / "versions.json") or {},
        metrics=read_rows(path / "metrics.jsonl"),
        timings=read_rows(path / "timings.jsonl"),
        base=read_json(path / "evaluation" / "base.json") or {},
        final=read_json(path / "evaluation" / "final.json") or {},
        labels=read_json(path / "labels.json") or {},
        samples=read_json(path / "samples" / "samples.json"),
        summary=read_json(path / "summary.json"),
    )
