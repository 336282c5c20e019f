"""MMSU (arXiv:2506.04779): questions about speech, asked with lettered options, A to D or fewer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rlaudio.data.fields import Fields
from rlaudio.data.loading import find_files, load, local
from rlaudio.scorers.benchmarks.mmsu_rule import mmsu_rule
from rlaudio.types import Benchmark, Dataset, Question

_CHOICES = ("choice_a", "choice_b", "choice_c", "choice_d")


def mmsu(
    *,
    path: Path,
    audio_root: Path | None = None,
    outside_root: bool = False,
    limit: int | None = None,
    revision: str | None = None,
) -> Dataset:
    """The questions of MMSU's folder (Parquet under `data/`, or one .jsonl) or of one of its files.

    Audio in Parquet files becomes files in rlaudio's cache. A path that begins with a slash is relative to
    `audio_root` too (by default the folder), unless it already leads below it. Options that are absent or
    empty at the end are no options; an empty one before others stays, so that letters keep their options.
    `path` may name a data set of the hub, at `revision`. Raises what `rlaudio.data.loading` raises.
    """
    path = local(path, revision)
    data = load(
        path,
        find_files(path, "data/*.parquet", "*.parquet", "mmsu.jsonl", "MMSU.jsonl"),
        _question,
        audio_root=audio_root,
        outside_root=outside_root,
        limit=limit,
    )
    return replace(data, benchmark=Benchmark("mmsu", "2025", mmsu_rule, "response", counts_missing=True))


def _question(row: Fields) -> Question:
    options = [row.text(name, default="", empty=True) for name in _CHOICES]
    while options and not options[-1]:
        options.pop()
    if not options:
        row.wrong_field(_CHOICES[0], "the text of an option")
    return Question(
        row.text("id"),
        row.text("question"),
        _clip(row),
        row.choice(options, row.text("answer_gt")),
        row.groups("category", "task_name", "sub-category", "sub-sub-category", "linguistics_sub_discipline"),
        style="letters",
        extra=row.whole(),
        place=row.where,
    )


def _clip(row: Fields) -> tuple[Path, ...]:
    stated = row.value("audio_path", "audio")
    is_rooted = isinstance(stated, str) and stated.startswith("/")
    if is_rooted and not Path(stated).is_relative_to(row.root.folder.absolute()):
        return row.clip_at("audio_path", stated.lstrip("/"))
    return row.clip("audio_path", "audio")
