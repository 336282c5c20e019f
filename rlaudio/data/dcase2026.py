"""DCASE 2026 Task 5 (arXiv:2607.18718): train, dev, and eval, whose answers are not published.

The training set is AudioMCQ-StrongAC-GeminiCoT, in the format of AudioMCQ.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from rlaudio.data.audiomcq import audiomcq
from rlaudio.data.fields import Fields
from rlaudio.data.loading import find_files, load, local
from rlaudio.scorers.benchmarks.dcase2026_rule import dcase2026_rule
from rlaudio.types import Benchmark, Dataset, Question

_FILES = {  # of a split; the hub's data sets are kept as Parquet
    "train": ("data.jsonl", "data.parquet", "train.parquet"),
    "dev": ("dev.jsonl", "dev.json", "dev.parquet"),
    "eval": ("eval-noanswer.jsonl", "eval.jsonl", "eval.parquet"),
}


def dcase2026(
    *,
    path: Path,
    split: Literal["train", "dev", "eval"] = "dev",
    audio_root: Path | None = None,
    outside_root: bool = False,
    limit: int | None = None,
    revision: str | None = None,
) -> Dataset:
    """The questions of a split, in a folder (`data.jsonl`, `dev.jsonl`, `eval-noanswer.jsonl`) or a file.

    A question without an answer is one whose answer is not published. Audio paths are relative to
    `audio_root`, by default the folder. `path` may name a data set of the hub, at `revision`, where the split
    is called the same. Raises what `rlaudio.data.loading` raises.
    """
    path = local(path, revision)
    files = find_files(path, *_FILES[split], only_named=True)
    if split == "train":
        return audiomcq(path=files[0], audio_root=audio_root, outside_root=outside_root, limit=limit)
    data = load(
        path,
        files,
        _question,
        audio_root=audio_root,
        outside_root=outside_root,
        limit=limit,
    )
    benchmark = Benchmark("dcase2026", f"2026 {split}", dcase2026_rule, "answer", predictions="csv")
    return replace(data, benchmark=benchmark)


def _question(row: Fields) -> Question:
    answer = None if row.value("answer") is None else row.text("answer", empty=True)
    return Question(
        row.text("id"),
        row.text("question_text", "question"),
        row.clip("audio_path", "audio"),
        row.choice(row.texts("multi_choice", "choices"), answer),
        row.groups(category="question_type", source="source_dataset"),
        extra=row.whole(),
        place=row.where,
    )
