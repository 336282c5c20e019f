"""The embedded world: multiple-choice questions about synthesised clips, each with its known truth.

Twenty sound sources, eight instruments, melodies, intervals, rhythms, vowels in four voices, counting, order
and duration, in AudioMCQ's four types. Every item records whether its text reveals the answer
(`text_answerable`) and how (`mechanism`), so that audio-contribution filtering can be scored here.
"""

from __future__ import annotations

from pathlib import Path

from rlaudio.data.audiomcq import audiomcq
from rlaudio.types import Dataset
from rlaudio.worlds.cache import cache_folder
from rlaudio.worlds.synthetic.generate import write_split

MOST = 10_000_000  # questions of a split: four hours of generating, hundreds of gigabytes of clips


def synthetic(
    *,
    split: str = "train",
    count: int = 2000,
    seed: int = 0,
    folder: Path | None = None,
    text_answerable_share: float = 0.5,
) -> Dataset:
    """The first `count` questions of a split, generated on the first call and read from disk afterwards.

    Any name makes a split; different names and seeds share no clip. `text_answerable_share` of each type can
    be answered from text alone. Files lie below `folder`, by default in the user's cache. The caption of
    a clip is in the question's `extra`.

    Raises ValueError for a count outside 1 to MOST or a share outside 0 to 1.
    """
    if not 1 <= count <= MOST:
        raise ValueError(f"count is {count}; expected 1 to {MOST:,} questions")
    if not 0.0 <= text_answerable_share <= 1.0:
        raise ValueError(f"text_answerable_share is {text_answerable_share}; expected 0 to 1")
    made = write_split(Path(folder or cache_folder("synthetic")), split, count, seed, text_answerable_share)
    return audiomcq(path=made)
