"""The embedded world: multiple-choice questions about synthesised clips, each with its known truth.

Twenty sound sources, eight instruments, melodies, intervals, rhythms, vowels in four voices, counting, order
and duration, in AudioMCQ's four types. Every item records whether its text reveals the answer
(`text_answerable`) and how text bears on it (`mechanism`), so that audio-contribution filtering can be scored
here:

- knowledge, logic: a sentence gives the answer away;
- prior, suggestion: a sentence speaks for a wrong option, which is the question's `tempting` (misleading);
- length, position: a wrong option is tempting by its form, by far the longest or the first (misleading);
- absent: the clip is about something else, and the option "none of these" is right (unanswerable);
- none: the clip alone answers (audio-only).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rlaudio.data.audiomcq import audiomcq
from rlaudio.types import Dataset, Question
from rlaudio.utils.messages import shown
from rlaudio.worlds.cache import cache_folder
from rlaudio.worlds.synthetic.generate import BY_TEXT, CUED, Split, write_split
from rlaudio.worlds.synthetic.kinds import KindShares

SPLITS = ("train", "test", "misleading", "shifted", "none")  # of the recipes that ship
MOST = 10_000_000  # questions of a split: four hours of generating, hundreds of gigabytes of clips
_OFTEN_MISSPELT = ("train", "misleading", "shifted")  # not test and none: too many words are close to them
_NAME = re.compile(r"\w[\w.-]{0,99}")  # of a folder


def synthetic(
    *,
    split: str = "train",
    count: int = 2000,
    seed: int = 0,
    folder: Path | None = None,
    text_answerable_share: float = 0.5,
    misleading_share: float = 0.0,
    misleading_by: Sequence[str] = BY_TEXT,
    unanswerable_share: float = 0.0,
    shifted: bool = False,
    gold_cues: Sequence[str] = (),
    cued: Sequence[str] = CUED,
    by_subject: bool = False,
) -> Dataset:
    """The first `count` questions of a split, generated on the first call and read from disk afterwards.

    Any name makes a split, but not `trian`, `Train` and the like; different names and seeds share no clip.
    The shares hold in each type; the rest is audio-only. Where there are unanswerable questions, "none of
    these" is an option of the audio-only ones too. `misleading_by` says which mechanisms mislead; where all
    four do, of 20 questions 6 by prior, 4 by suggestion, 5 by length and 5 by position. `gold_cues` are
    `length` and `position`: in three of four questions of the kinds `cued` (text_answerable, audio_only) the
    right option is by far the longest, or the first, in the others a wrong one is. `shifted` plays every clip
    slower or faster, in noise, with longer pauses around it. `by_subject` groups the questions by what they
    ask for (source, contour, first, ...), so that tables have a line for each. Files lie below `folder`, by
    default in the user's cache. The caption of a clip is in the question's `extra`, as are `tempting` and
    `unanswerable`, which the rewards `grounded` and `refusal` read.

    Raises ValueError for a count outside 1 to MOST, shares outside 0 to 1 or above 1 together, mechanisms and
    cues that there are none of, misleading questions without a mechanism, and a split that is no name or
    looks misspelt.
    """
    _check_split(split)
    if not 1 <= count <= MOST:
        raise ValueError(f"count is {count}; expected 1 to {MOST:,} questions")
    shares = KindShares(text_answerable_share, misleading_share, unanswerable_share)
    made = Split(split, seed, shares, shifted, misleading_by, gold_cues, cued)
    data = audiomcq(path=write_split(Path(folder or cache_folder("synthetic")), made, count))
    return replace(data, questions=tuple(map(_by_subject, data))) if by_subject else data


def _check_split(split: str) -> None:
    """Refuse what is no file's name, and `trian`: it would give other questions than `train`, and no word."""
    if not _NAME.fullmatch(split):
        raise ValueError(
            f"split is {shown(split)}; expected a name such as {', '.join(SPLITS)}: letters, digits and _.-, "
            "at most 100"
        )
    if split not in SPLITS and (meant := _meant(split.casefold())):
        raise ValueError(
            f"split is {split!r}; did you mean {meant!r}? Any name makes a split with questions of its "
            f"own: if it is meant, put a digit or a hyphen in it, such as {split}-1"
        )


def _meant(split: str) -> str | None:
    """The split that ships of which this is a slip of the fingers; None for a word of its own."""
    slips = (name for name in _OFTEN_MISSPELT if split in _slips(name))
    return split if split in SPLITS else next(slips, None)


def _slips(word: str) -> set[str]:
    """The word with two letters swapped, one left out or one doubled; its first letter stays."""
    places = range(1, len(word))
    swapped = {word[:n] + word[n + 1] + word[n] + word[n + 2 :] for n in places[:-1]}
    left_out = {word[:n] + word[n + 1 :] for n in places}
    doubled = {word[:n] + word[n] + word[n:] for n in range(len(word))}
    return swapped | left_out | doubled


def _by_subject(question: Question) -> Question:
    return replace(question, groups={**question.groups, "subject": question.extra["subject"]})
