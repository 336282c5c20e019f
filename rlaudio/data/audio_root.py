"""A wrong audio root is noticed at the first rows, before all others are looked at one by one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from rlaudio.audio.reading import clip_header
from rlaudio.types import Question
from rlaudio.utils.messages import printable

_ROWS = 100  # that are looked at
_FEWEST = 3  # rows without audio that are no accident


def check_audio_root(questions: Sequence[Question]) -> None:
    """Raise ValueError where more than half of the first hundred questions name audio that is not there.

    Of a few missing files each is a bad row, which the audit finds.
    """
    first = list(islice(questions, _ROWS))
    missing = [path for question in first if (path := _missing(question)) is not None]
    if len(missing) < _FEWEST or 2 * len(missing) <= len(first):
        return
    place = questions[0].place.rpartition(":")[0]
    raise ValueError(
        f"{printable(place)}: of the first {len(first)} rows {len(missing)} name audio that is not there, "
        f"such as {printable(str(missing[0]))}; expected a file; set audio_root to the folder that the "
        "paths in the rows are relative to, and unpack the audio there"
    )


def _missing(question: Question) -> Path | None:
    """The first of a question's files that is not there."""
    return next((clip for clip in question.clips if isinstance(clip, Path) and _is_missing(clip)), None)


def _is_missing(path: Path) -> bool:
    if path.exists():
        return False
    try:
        clip_header(path)  # finds names that are stored in another Unicode form
    except FileNotFoundError:
        return True
    except ValueError:
        pass
    return False
