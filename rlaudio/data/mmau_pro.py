"""MMAU-Pro (arXiv:2508.13992): closed and open questions and instructions, about no clip, one or several."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from rlaudio.data.fields import NOTHING, Fields
from rlaudio.data.loading import find_files, load, local
from rlaudio.data.rows import row_id
from rlaudio.scorers.benchmarks.mmau_pro_rule import mmau_pro_rule
from rlaudio.scorers.embedding import Embedder
from rlaudio.scorers.judging import Judge
from rlaudio.types import Benchmark, Check, Dataset, OpenText, Question, Target
from rlaudio.utils.messages import printable

logger = logging.getLogger(__name__)

_AUDIO = ("audio_path", "audio", "audio_paths", "audios")  # the first that a row has
_GROUPS = ("category", "sub-cat", "length_type")
_OTHERS = ("question", "choices", "answer", "task_identifier", "kwargs")
_OPEN, _INSTRUCTION = "open", "instruction following"  # categories; all others are closed


def mmau_pro(
    *,
    path: Path,
    audio_root: Path | None = None,
    outside_root: bool = False,
    limit: int | None = None,
    revision: str | None = None,
    embedder: Embedder | None = None,
    judge: Judge | None = None,
) -> Dataset:
    """The questions of MMAU-Pro's folder (`test.parquet`, audio under `data/`) or of its Parquet file.

    Audio paths are relative to `audio_root`, by default the folder. A row without an id gets its number,
    counted over all files.
    `embedder` and `judge` are those of the scorer `mmau_pro`. Which columns were found is logged. `path` may
    name a data set of the hub, at `revision`. Raises what `rlaudio.data.loading` raises.
    """
    path = local(path, revision)
    files = find_files(path, "test.parquet", "data/test-*.parquet", "test-*.parquet")
    columns: set[str] = set()
    data = load(
        path,
        files,
        partial(_question, columns, count(1)),
        audio_root=audio_root,
        outside_root=outside_root,
        limit=limit,
    )
    logger.info("%s: %s", printable(str(files[0])), _found(columns))
    bound = partial(mmau_pro_rule, embedder=embedder, judge=judge)
    return replace(data, benchmark=Benchmark("mmau_pro", "2025", bound, "model_output"))


def _question(columns: set[str], numbers: Iterator[int], row: Fields) -> Question:
    columns.update(row.fields)
    return Question(
        row.text("id", default=row_id(next(numbers))),
        row.text("question"),
        row.clips(*_AUDIO),
        _target(row),
        row.groups(*_GROUPS),
        extra=row.whole(),
        place=row.where,
    )


def _target(row: Fields) -> Target:
    category = row.text("category", default="")
    rule, arguments = row.text("task_identifier", default=""), _arguments(row)
    answer, options = row.text("answer", default="", empty=True), row.value("choices")
    if category == _INSTRUCTION:
        return Check(row.text("task_identifier"), arguments)
    if category == _OPEN:
        return OpenText(answer)
    if rule and not options and not answer:
        return Check(rule, arguments)
    return row.choice(row.texts("choices") if options else (), answer)


def _arguments(row: Fields) -> Mapping[str, Any]:
    """The arguments of a rule, which may stand there as JSON; those that are null are left out."""
    value = row.value("kwargs")
    if isinstance(value, str) and value:
        try:
            value = json.loads(value)
        except ValueError:
            row.wrong_field("kwargs", "an object, or one as JSON")
    if not isinstance(value, dict):
        return NOTHING
    return {name: argument for name, argument in value.items() if argument is not None}


def _found(columns: set[str]) -> str:
    """Which of the columns that there are is read as what."""
    audio = next((name for name in _AUDIO if name in columns), "no column")
    known = {"id", *_AUDIO, *_GROUPS, *_OTHERS}
    missing = ", ".join(name for name in (*_OTHERS, *_GROUPS) if name not in columns) or "none"
    kept = ", ".join(sorted(columns - known)) or "none"
    id = "id" if "id" in columns else "the row's number"
    return f"id from {id}, audio from {audio}; columns not there: {missing}; kept as they are: {kept}"
