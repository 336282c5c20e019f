"""Questions of any format written as files that rlaudio reads, and how a recipe names these."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rlaudio.data.jsonl import write_jsonl
from rlaudio.data.question_rules import repeated_ids
from rlaudio.types import Dataset, Question
from rlaudio.utils.messages import shown


@dataclass(frozen=True)
class Written:
    """A file of questions that was written."""

    path: Path
    question_count: int
    audio_root: Path | None  # to be given where audio lies outside the file's folder

    @property
    def spec(self) -> str:
        """The file as a recipe names it."""
        root = f", audio_root: {self.audio_root}" if self.audio_root else ""
        return f"{{use: jsonl, path: {self.path}{root}}}"


def only_labelled(data: Dataset, label: str) -> Dataset:
    """The questions that are labelled so, in their order, with their contributions."""
    stated = {name: each for name, each in data.contributions.items() if each.label == label}
    chosen = tuple(question for question in data if question.id in stated)
    return replace(data, questions=chosen, contributions=stated)


def write_questions(questions: Sequence[Question], path: Path) -> Written:
    """Write the questions, and contributions that their data states, to a new .jsonl file.

    Raises FileExistsError where there is one, ValueError where the format cannot hold a question, or two have
    one id.
    """
    refuse_existing(path)
    for index, (_, reason) in repeated_ids(questions).items():
        raise ValueError(f"{questions[index].place or path}: {reason} (id {shown(questions[index].id)})")
    write_jsonl(questions, path)
    return Written(path, len(questions), _audio_root(questions, path.parent))


def refuse_existing(*paths: Path) -> None:
    """Raise FileExistsError where one of the files is there."""
    for path in paths:
        if path.exists():
            raise FileExistsError(
                f"{path}: is there already; expected a new file; name another, or remove it"
            )


def _audio_root(questions: Sequence[Question], folder: Path) -> Path | None:
    """A folder above all audio files; None where they lie below the file's folder."""
    folders = {str(c).rpartition("/")[0] for q in questions for c in q.clips if isinstance(c, Path)}
    whole = [Path(stated).absolute() for stated in folders]
    if all(audio.is_relative_to(folder.absolute()) for audio in whole):
        return None
    return Path(os.path.commonpath(whole))
