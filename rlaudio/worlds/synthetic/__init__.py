"""The embedded world: multiple-choice questions about synthesised clips, each with its known truth.

Twenty sound sources, eight instruments, melodies, intervals, rhythms, vowels in four voices, counting, order
and duration, in AudioMCQ's four types. Every item records whether its text reveals the answer
(`text_answerable`) and how text bears on it (`mechanism`), so that audio-contribution filtering can be scored
here:

- knowledge, logic: a sentence gives the answer away;
- prior, suggestion: a sentence speaks for a wrong option, which is the question's `tempting` (misleading);
- absent: the clip is about something else, and the option "none of these" is right (unanswerable);
- none: the clip alone answers (audio-only).
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path

from rlaudio.data.audiomcq import audiomcq
from rlaudio.types import Dataset
from rlaudio.utils.messages import shown
from rlaudio.worlds.cache import cache_folder
from rlaudio.worlds.synthetic.generate import Split, write_split
from rlaudio.worlds.synthetic.kinds import KindShares

SPLITS = ("train", "test", "misleading", "shifted", "none")  # of the recipes that ship
MOST = 10_000_000  # questions of a split: four hours of generating, hundreds of gigabytes of clips
_NAME = re.compile(r"\w[\w.-]{0,99}")  # of a folder


def synthetic(
    *,
    split: str = "train",
    count: int = 2000,
    seed: int = 0,
    folder: Path | None = None,
    text_answerable_share: float = 0.5,
    misleading_share: float = 0.0,
    unanswerable_share: float = 0.0,
    shifted: bool = False,
) -> Dataset:
    """The first `count` questions of a split, generated on the first call and read from disk afterwards.

    Any name makes a split, but not one of SPLITS misspelt; different names and seeds share no clip. The
    shares hold in each type; the rest is audio-only. Where there are unanswerable questions, "none of these"
    is an option of the audio-only ones too. `shifted` plays every clip slower or faster, in noise, with
    longer pauses around it. Files lie below `folder`, by default in the user's cache. The caption of a clip
    is in the question's `extra`, as are `tempting` and `unanswerable`, which the rewards `grounded` and
    `refusal` read.

    Raises ValueError for a count outside 1 to MOST, shares outside 0 to 1 or above 1 together, and a split
    that is no name or looks misspelt.
    """
    _check_split(split)
    if not 1 <= count <= MOST:
        raise ValueError(f"count is {count}; expected 1 to {MOST:,} questions")
    shares = KindShares(text_answerable_share, misleading_share, unanswerable_share)
    made = Split(split, seed, shares, is_shifted=shifted)
    return audiomcq(path=write_split(Path(folder or cache_folder("synthetic")), made, count))


def _check_split(split: str) -> None:
    """Refuse what is no file's name, and `trian`: it would give other questions than `train`, and no word."""
    if not _NAME.fullmatch(split):
        raise ValueError(
            f"split is {shown(split)}; expected a name such as {', '.join(SPLITS)}: letters, digits and _.-, "
            "at most 100"
        )
    meant = get_close_matches(split.casefold(), SPLITS, n=1, cutoff=0.75) if split.isalpha() else []
    if meant and split not in SPLITS:
        raise ValueError(
            f"split is {split!r}; did you mean {meant[0]!r}? Any name makes a split with questions of its "
            f"own: if it is meant, put a digit or a hyphen in it, such as {split}-1"
        )
