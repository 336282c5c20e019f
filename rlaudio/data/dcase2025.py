"""DCASE 2025 Task 5 (arXiv:2505.07365): a file for each question, in folders by part and split.

Options and answers begin with their letters ("A. 1"), which are taken off: the benchmark's scorer reads the
options' texts. It is that of DCASE 2026, since the challenge of 2025 publishes no script.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path, PurePosixPath

from rlaudio.data.fields import Fields
from rlaudio.data.loading import is_hidden, load
from rlaudio.scorers.benchmarks.dcase2026_rule import dcase2026_rule
from rlaudio.types import Benchmark, Choice, Dataset, Question
from rlaudio.utils.messages import printable

_AUDIO_FOLDER = "local_audio_path"  # that the published paths name
_LETTER = re.compile(r"([A-Z])\. ")


def dcase2025(
    *,
    path: Path,
    split: str | None = None,
    audio_root: Path | None = None,
    outside_root: bool = False,
    limit: int | None = None,
) -> Dataset:
    """The questions in the .json files below a folder; of those below folders named `split`, if it is given.

    A file given as `path` is read whatever `split` is. The published audio path
    `../../local_audio_path/<split>/<id>.wav` is looked for below `audio_root` (by default the folder) from
    `local_audio_path` on, from the split on, and by name alone; `..` before that is not followed. Raises
    FileNotFoundError where there is no .json file, and what `rlaudio.data.loading` raises.
    """
    path = Path(path)
    files = (
        [path]
        if path.is_file()
        else sorted(file for file in path.rglob("*.json") if not is_hidden(file.relative_to(path)))
    )
    if split is not None and not path.is_file():
        files = [file for file in files if split in file.relative_to(path).parts[:-1]]
    if not files:
        below = f"below folders named {split}" if split else "at all"
        raise FileNotFoundError(
            f"{printable(str(path))}: no .json files {below}; expected a folder with one for each question"
        )
    data = load(
        path,
        files,
        _question,
        audio_root=audio_root,
        outside_root=outside_root,
        limit=limit,
        one_object=True,
    )
    return replace(
        data, benchmark=Benchmark("dcase2025", "2025", dcase2026_rule, "answer", predictions="csv")
    )


def _question(row: Fields) -> Question:
    file = PurePosixPath(row.where.rpartition(".json")[0] or row.where)
    return Question(
        row.text("id", default=file.name),
        row.text("question"),
        _clip(row),
        _choice(row),
        row.named_groups({"category": row.text("question_type", default=""), "split": file.parent.name}),
        extra=row.whole(),
        place=row.where,
    )


def _choice(row: Fields) -> Choice:
    """The options without their letters, where all have theirs; the answer is found with its letter first."""
    stated = row.texts("choice", "choices", "multi_choice")
    answer = None if row.value("answer") is None else row.text("answer")
    with_letters = row.choice(stated, answer)
    letters = [match and match.group(1) for match in map(_LETTER.match, stated)]
    if letters != [chr(ord("A") + number) for number in range(len(stated))]:
        return with_letters
    options, gold = tuple(option[3:] for option in stated), with_letters.gold
    return row.choice(options, answer) if gold is None else Choice(options, gold, options[gold])


def _clip(row: Fields) -> tuple[Path, ...]:
    stated = row.value("audio_url", "audio_path")
    if not isinstance(stated, str) or not stated:
        return row.clip("audio_url", "audio_path")
    parts = [part for part in stated.split("/") if part not in ("", ".")]
    while parts and parts[0] == "..":
        parts.pop(0)
    without = parts[1:] if parts[:1] == [_AUDIO_FOLDER] else parts
    there = (names for names in (parts, without, parts[-1:]) if _is_file(row.root.folder.joinpath(*names)))
    return row.clip_at("audio_url", "/".join(next(there, without)))


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises OSError for a name that is too long
