"""Encoded clips that a run or an evaluation keeps for its page.

clips/DIGEST.mp3     a clip as the model heard it
clips/clips.json     data set -> question id -> digests
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rlaudio.runs import shapes
from rlaudio.runs.files import write_bytes, write_json
from rlaudio.runs.places import CLIPS, CLIPS_INDEX
from rlaudio.runs.stored_files import StoredFiles

Digests = Mapping[str, Mapping[str, Sequence[str]]]  # of the clips of a question, by data set and its id


def has_clips(folder: Path) -> bool:
    """Whether clips were kept, and their index with them."""
    return (folder / CLIPS_INDEX).exists()


def write_clip(folder: Path, digest: str, content: bytes) -> None:
    """Keep a clip in a folder; `write_clip_index` must name it."""
    write_bytes(folder / clip_file(digest), content)


def write_clip_index(folder: Path, digests: Digests) -> None:
    """Say which clips are kept; those that an index of before names and this one does not are deleted."""
    before = clip_index(StoredFiles(folder, leave_out=True))
    for digest in _named(before) - _named(digests):
        (folder / clip_file(digest)).unlink(missing_ok=True)
    write_json(folder / CLIPS_INDEX, digests)


def clip_index(files: StoredFiles) -> Digests:
    """Which clips the folder keeps."""
    index: Digests = files.json(CLIPS_INDEX, shapes.CLIPS) or {}
    return index


def clip_file(digest: str) -> str:
    """The file of a clip below its folder."""
    return f"{CLIPS}/{digest}.mp3"


def _named(digests: Digests) -> set[str]:
    return {digest for of_set in digests.values() for clips in of_set.values() for digest in clips}
