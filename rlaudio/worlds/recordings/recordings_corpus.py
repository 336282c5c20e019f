"""Examples about a folder of labelled recordings: transcripts, facts, plain and exam questions.

They are made of training recordings alone (`rlaudio data questions` writes them to `pretrain.jsonl`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal

from rlaudio.audio.controls import silence
from rlaudio.audio.reading import read_clip
from rlaudio.data.rows import JsonRow, read_json_rows
from rlaudio.prompts.wording import SYSTEM
from rlaudio.types import Question
from rlaudio.worlds.corpus import Example, Exchange, exam
from rlaudio.worlds.recordings import made_folder
from rlaudio.worlds.recordings.folder import PATTERN

_TEXT_TOGETHER = 6  # exchanges without audio in one example


def recordings_corpus(
    role: Literal["base", "voter"],
    *,
    clips: Path,
    labels: str = PATTERN,
    seed: int = 0,
    folder: Path | None = None,
    exams: int = 40,
    silence_seconds: float = 2.0,
) -> Iterator[Example]:
    """The examples of a base, with `exams` questions in the exam's prompt format, or those of a voter.

    A voter is trained on text alone, and on text-answerable questions in the exam's format over silence: it
    learns only what can be known without the audio.
    """
    made = made_folder(clips, labels, seed, folder)
    rows = list(read_json_rows(made / "pretrain.jsonl"))
    spoken = [row for row in rows if row.fields.get("audio_path")]
    written = [row for row in rows if not row.fields.get("audio_path")]
    if role == "voter":
        yield from _together(written)
        asked = [row for row in written if row.text("kind") == "question"]
        for group in _groups(asked):
            yield Example(silence(silence_seconds), tuple(exam(_question(row)) for row in group), SYSTEM)
        return
    by_clip: dict[str, list[JsonRow]] = defaultdict(list)
    for row in spoken:
        by_clip[row.text("audio_path")].append(row)
    for path, about in by_clip.items():
        yield Example(read_clip(made / path), tuple(_exchange(row) for row in about))
    yield from _together(written)
    for row in islice((row for row in spoken if row.text("kind") == "question"), exams):
        yield Example(read_clip(made / row.text("audio_path")), (exam(_question(row)),), SYSTEM)


def _together(rows: Sequence[JsonRow]) -> Iterator[Example]:
    for group in _groups(rows):
        yield Example(None, tuple(_exchange(row) for row in group))


def _groups(rows: Sequence[JsonRow]) -> Iterator[Sequence[JsonRow]]:
    return (rows[start : start + _TEXT_TOGETHER] for start in range(0, len(rows), _TEXT_TOGETHER))


def _exchange(row: JsonRow) -> Exchange:
    return Exchange(row.text("instruction"), row.text("response"))


def _question(row: JsonRow) -> Question:
    return Question.multiple_choice(
        row.where, row.text("question"), row.texts("choices"), row.text("response")
    )
