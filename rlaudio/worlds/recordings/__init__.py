"""Questions about a folder of labelled recordings of spoken words.

`make.py` writes them once (`rlaudio data questions`); as a plug-in they are made on the first call and read
from a cache afterwards.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rlaudio.data.audiomcq import audiomcq
from rlaudio.types import Dataset
from rlaudio.worlds.cache import cache_folder, digest_of, source_digest
from rlaudio.worlds.recordings.folder import PATTERN
from rlaudio.worlds.recordings.make import Wanted, WrittenQuestions, make_questions

__all__ = ["Wanted", "WrittenQuestions", "made_folder", "make_questions", "recordings"]


def recordings(
    *,
    clips: Path,
    labels: str = PATTERN,
    split: Literal["train", "test", "new_speakers"] = "train",
    seed: int = 0,
    folder: Path | None = None,
) -> Dataset:
    """Questions of one split about the recordings in `clips`, whose files are named like `labels`.

    Splits share no recording, and `new_speakers` no speaker. Files lie below `folder`, by default in the
    user's cache. Raises what `make_questions` raises.
    """
    made = made_folder(clips, labels, seed, folder)
    if not (made / f"{split}.jsonl").exists():
        raise ValueError(f"{clips}: no split {split}; without {{speaker}} in the pattern there are none new")
    return audiomcq(path=made / f"{split}.jsonl")


def made_folder(clips: Path, labels: str, seed: int, folder: Path | None = None) -> Path:
    """The folder of questions and examples about a folder of recordings, made if it is not there yet."""
    clips = Path(clips).resolve()
    files = sorted(f for f in clips.rglob("*") if f.is_file()) if clips.is_dir() else []
    listing = (f"{f.relative_to(clips)} {f.stat().st_size} {f.stat().st_mtime_ns}".encode() for f in files)
    name = digest_of([str(clips).encode(), labels.encode(), *listing])
    made = (
        Path(folder or cache_folder("recordings"))
        / f"{name}-seed{seed}-{source_digest(Path(__file__).parent)}"
    )
    if not made.is_dir():
        make_questions(clips, labels, made, Wanted(seed=seed))
    return made
