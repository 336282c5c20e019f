"""Clips kept for a page: each once, until they fill a page, and no clip of an earlier call stays."""

from pathlib import Path

import numpy as np
import pytest

from rlaudio.runs.stored_files import StoredFiles
from rlaudio.types import Clip, Question
from rlaudio.viewer import kept_clips as module
from rlaudio.viewer.kept_clips import keep_clips, kept_clips

SECOND = np.full(16_000, 0.1, dtype=np.float32)


def question(id: str, *clips: str) -> Question:
    return Question.multiple_choice(id, "Which?", ("a", "b"), "a", *(Path(clip) for clip in clips))


def read(path: Path) -> Clip:
    if path.stem == "gone":
        raise OSError("gone")
    return Clip(SECOND, digest=path.stem)


def names(folder: Path) -> set[str]:
    return {path.name for path in (folder / "clips").iterdir()}


def test_a_kept_clip_is_found_again_by_its_question(tmp_path):
    keep_clips(tmp_path, {"train": [question("q", "a", "b"), question("r", "gone")]}, read)
    find = kept_clips(StoredFiles(tmp_path), "train")
    first, second = find("q", ["a.wav", "b.wav"])
    assert (first.name, second.name) == ("a", "b")
    assert first.read is not None and first.read().seconds == pytest.approx(1.0, abs=0.1)
    [gone] = find("r", ["gone.wav"])
    assert gone.name == "gone.wav" and gone.read is None


def test_clips_are_kept_until_they_fill_a_page(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 5_000)  # of 3 kB a second
    keep_clips(tmp_path, {"train": [question(name, name) for name in "abcd"]}, read)
    assert names(tmp_path) == {"a.mp3", "b.mp3", "clips.json"}


def test_a_later_call_removes_what_an_earlier_one_wrote_and_nothing_else(tmp_path):
    keep_clips(tmp_path, {"train": [question("q", "a")]}, read)
    (tmp_path / "clips" / "mine.mp3").write_bytes(b"mine")
    keep_clips(tmp_path, {"train": [question("q", "b")]}, read)
    assert names(tmp_path) == {"b.mp3", "mine.mp3", "clips.json"}
