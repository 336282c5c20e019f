"""Clips that a run or an evaluation keeps for its page, so that this can be written from the folder alone.

They are mp3 of 24 kbit/s, mono, as the model heard them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from rlaudio.runs.clip_files import clip_file, clip_index, write_clip, write_clip_index
from rlaudio.runs.stored_files import StoredFiles
from rlaudio.types import Clip, Question
from rlaudio.viewer.clips import LARGEST_CLIP, PageClip, decode, encode, peaks_of
from rlaudio.viewer.payload import MOST_CLIP_CHARACTERS
from rlaudio.viewer.records import ClipToHear

MOST_BYTES = MOST_CLIP_CHARACTERS * 3 // 4  # what base64 makes of them fits into a page


def keep_clips(
    folder: Path, questions: Mapping[str, Iterable[Question]], read: Callable[[Path | Clip], Clip]
) -> None:
    """Write the clips of these questions, by data set, until they fill a page; those that come first win.

    What an earlier call wrote is replaced. A clip that cannot be read is left out.
    """
    kept: dict[str, dict[str, list[str]]] = {}
    written: set[str] = set()
    left = MOST_BYTES
    for name, of_set in questions.items():
        for question in of_set:
            if question.id in kept.get(name, {}) or left <= 0:
                continue
            try:
                clips = [read(clip) for clip in question.clips]
            except (ValueError, OSError):
                continue
            for clip in clips:
                if clip.digest not in written:
                    content = encode(clip.samples, clip.sample_rate_hz).mp3
                    write_clip(folder, clip.digest, content)
                    written.add(clip.digest)
                    left -= len(content)
            kept.setdefault(name, {})[question.id] = [clip.digest for clip in clips]
    write_clip_index(folder, kept)


def kept_clips(
    files: StoredFiles, name: str, otherwise: Mapping[str, Sequence[ClipToHear]] | None = None
) -> Callable[[str, Sequence[str]], Sequence[ClipToHear]]:
    """Finds the clips of a question of this set, by its id; `paths` names them where they are not kept.

    `otherwise` has clips by question id for those that are not in the index.
    """
    index = clip_index(files).get(name, {})

    def find(question_id: str, paths: Sequence[str]) -> Sequence[ClipToHear]:
        if question_id in index:
            return [ClipToHear(digest, partial(_read, files, digest)) for digest in index[question_id]]
        if otherwise and question_id in otherwise:
            return otherwise[question_id]
        return [ClipToHear(path) for path in paths]

    return find


def _read(files: StoredFiles, digest: str) -> PageClip:
    name = clip_file(digest)
    content = files.bytes(name, LARGEST_CLIP)
    samples, rate = decode(content, "MP3", str(files.folder / name))
    return PageClip(content, peaks_of(samples), len(samples) / rate)
