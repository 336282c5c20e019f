"""AVQA (Yang et al. 2022) as R1-AQA trains on it (arXiv:2503.11197): questions about the sound of videos.

A line is one of AVQA's rows with `dataset_name` and `audio_path` added; the answer is an option's position.
As in R1-AQA "video" becomes "audio" in the questions.
"""

from __future__ import annotations

from pathlib import Path

from rlaudio.data.fields import Fields
from rlaudio.data.loading import find_files, load, local
from rlaudio.types import Choice, Dataset, Question


def avqa(
    *,
    path: Path,
    audio_root: Path | None = None,
    outside_root: bool = False,
    limit: int | None = None,
    revision: str | None = None,
) -> Dataset:
    """The questions of a file of JSON lines, whatever its name ends in, or of the folder that has it alone.

    Audio paths are relative to `audio_root`, by default the folder. `path` may name a data set of the hub, at
    `revision`. Raises what `rlaudio.data.loading` raises.
    """
    path = local(path, revision)
    return load(
        path,
        find_files(path, "train_r1aqa_line.json", "train.jsonl"),
        _question,
        audio_root=audio_root,
        outside_root=outside_root,
        limit=limit,
        one_object=True,
    )


def _question(row: Fields) -> Question:
    options, gold = row.texts("multi_choice"), row.value("answer")
    if not isinstance(gold, int) or isinstance(gold, bool) or not 0 <= gold < len(options):
        row.wrong_field("answer", f"the position of an option, 0 to {len(options) - 1}")
        gold = None
    return Question(
        row.text("id"),
        row.text("question_text").replace("video", "audio"),
        row.clip("audio_path"),
        Choice(options, gold, "" if gold is None else options[gold]),
        row.groups(category="question_type", relation="question_relation", source="dataset_name"),
        extra=row.rest(),
        place=row.where,
    )
