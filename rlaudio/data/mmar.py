"""MMAR (arXiv:2505.13032), with the rubrics of MMAR-Rubrics where the file has them, in `extra`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rlaudio.data.fields import Fields
from rlaudio.data.loading import find_files, load, local
from rlaudio.scorers.benchmarks.mmau_rule import mmau_rule
from rlaudio.types import Benchmark, Dataset, Question


def mmar(
    *,
    path: Path,
    audio_root: Path | None = None,
    outside_root: bool = False,
    limit: int | None = None,
    revision: str | None = None,
) -> Dataset:
    """The questions of MMAR's folder (`MMAR-meta.jsonl`, or `.json` without rubrics) or of one of its files.

    Audio paths are relative to `audio_root`, by default the folder. `path` may name a data set of the hub, at
    `revision`. Its rule is that of MMAU. Raises what `rlaudio.data.loading` raises.
    """
    path = local(path, revision)
    data = load(
        path,
        find_files(path, "MMAR-meta.jsonl", "MMAR-meta.json", "test.parquet", "data/*.parquet"),
        _question,
        audio_root=audio_root,
        outside_root=outside_root,
        limit=limit,
    )
    rubrics = any("rubric" in question.extra for question in data)
    version = "2025, with rubrics" if rubrics else "2025"
    return replace(data, benchmark=Benchmark("mmar", version, mmau_rule, "answer_prediction"))


def _question(row: Fields) -> Question:
    return Question(
        row.text("id"),
        row.text("question"),
        row.clip("audio_path", "audio"),
        row.choice(row.texts("choices"), row.text("answer", empty=True)),  # an option may be empty
        row.groups("modality", "category", "sub-category", "language", "source"),
        extra=row.whole(),
        place=row.where,
    )
