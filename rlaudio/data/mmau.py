"""MMAU (arXiv:2410.19168): test-mini with answers, and test without; v05.15.25 and what came before it.

As on GitHub (`mmau-test-mini.json`, `mmau-test.json`, audio in `test-mini-audios/` and `test-audios/`) and as
Parquet on the Hugging Face hub, where options are written "(A) Man" and audio stands in the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from rlaudio.data.fields import NOTHING, Fields
from rlaudio.data.loading import find_files, load, local
from rlaudio.data.mmau_versions import version_of
from rlaudio.scorers.benchmarks.mmau_rule import mmau_rule
from rlaudio.types import Benchmark, Dataset, Question
from rlaudio.utils.messages import printable

_LETTER = re.compile(r"\(([A-Z])\) ")


def mmau(
    *,
    path: Path,
    split: Literal["test-mini", "test"] = "test-mini",
    version: str | None = None,
    audio_root: Path | None = None,
    outside_root: bool = False,
    limit: int | None = None,
    revision: str | None = None,
) -> Dataset:
    """The questions of MMAU's folder, or of one of its files (which says itself of which split it is).

    The version is told from ids that only one of the two has; `version` states it where no such id is among
    the questions. What the 9,000 of test have as answers are placeholders, so that none is known. Audio paths
    are relative to `audio_root`, by default the folder. `path` may name a data set of the hub, at `revision`,
    whose only split is taken, whatever it is called there.

    Raises what `rlaudio.data.loading` raises, and ValueError where the files are of another version.
    """
    is_here = Path(path).exists()
    path = local(path, revision)
    under = split.replace("-", "_")
    names = (f"mmau-{split}.json", f"{under}.parquet", f"{under}-*.parquet", f"data/{under}-*.parquet")
    files = find_files(path, *names, only_named=is_here)
    data = load(
        path,
        files,
        lambda row: _question(row, hidden=split == "test" and path.is_dir()),
        audio_root=audio_root,
        outside_root=outside_root,
        limit=limit,
    )
    return replace(data, benchmark=_benchmark(data, version, path))


def _benchmark(data: Dataset, version: str | None, path: Path) -> Benchmark:
    return Benchmark("mmau", _version(data, version, path), mmau_rule, "model_output", predictions="json")


def _question(row: Fields, *, hidden: bool) -> Question:
    more = _attributes(row)
    if more:
        row = row.over(more)
    is_hidden = hidden or row.value("split") == "test"
    options, answer = row.texts("choices"), row.text("answer", empty=True, default="")
    lettered = [match and match.group(1) for match in map(_LETTER.match, options)]
    if options and lettered == [chr(ord("A") + number) for number in range(len(options))]:
        options = tuple(option[4:] for option in options)
        answer = answer[4:] if _LETTER.match(answer) else answer
    return Question(
        row.text("id"),
        row.text("question", "instruction"),
        row.clip("audio_id", "context", "audio"),
        row.choice(options, None if is_hidden else answer),
        row.groups("task", "category", "sub-category", "difficulty", source="dataset"),
        extra={**row.whole(), "choices": list(options), "answer": answer},
        place=row.where,
    )


def _attributes(row: Fields) -> Mapping[str, Any]:
    """What the hub's files hold as a text of JSON."""
    text = row.value("other_attributes")
    if text is None:
        return NOTHING
    try:
        fields = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        row.wrong_field("other_attributes", "an object as JSON")
        return NOTHING
    return fields


def _version(questions: Sequence[Question], stated: str | None, path: Path) -> str:
    by_ids = version_of(question.id for question in questions)
    if stated and by_ids not in (stated, "unknown"):
        raise ValueError(
            f"{printable(str(path))}: version is {stated}, and its ids are those of {by_ids}; fetch the "
            "other files, or leave version out"
        )
    return stated or by_ids
