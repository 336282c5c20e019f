"""Leakage between sets: the same audio in both, compared by decoded samples and not by file name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rlaudio.audio.reading import SAMPLE_RATE_HZ, clip_seconds, read_clip
from rlaudio.types import Question


def clip_digests(paths: Iterable[Path], *, max_seconds: float = 30.0) -> dict[Path, str]:
    """The digest of the decoded audio of every clip, up to `max_seconds`; equal audio, equal digest."""
    unique = list(dict.fromkeys(paths))
    with ThreadPoolExecutor() as pool:  # decoding and resampling release the interpreter lock
        clips = pool.map(lambda path: read_clip(path, max_seconds=max_seconds).digest, unique)
        return dict(zip(unique, clips, strict=True))


def shared_clips(
    left: Sequence[Question], right: Sequence[Question], *, max_seconds: float = 30.0
) -> list[tuple[Path, Path]]:
    """Pairs of files, one of each set, whose first `max_seconds` decode to the same audio.

    Only clips whose length occurs on both sides are decoded: audio of another length cannot be equal.
    """
    lengths = {
        path: _length_in_samples(path, max_seconds) for path in {q.audio_path for q in (*left, *right)}
    }
    on_left = {lengths[question.audio_path] for question in left}
    on_right = {lengths[question.audio_path] for question in right}
    suspects = [path for path, length in lengths.items() if length in on_left and length in on_right]
    digests = clip_digests(suspects, max_seconds=max_seconds)
    by_digest = {digests[q.audio_path]: q.audio_path for q in left if q.audio_path in digests}
    paths_on_right = dict.fromkeys(q.audio_path for q in right if q.audio_path in digests)
    return [(by_digest[digests[path]], path) for path in paths_on_right if digests[path] in by_digest]


def check_disjoint(
    train: Sequence[Question],
    test: Sequence[Question],
    *,
    names: tuple[str, str] = ("train", "test"),
    max_seconds: float = 30.0,
) -> None:
    """Raise ValueError, naming a few files, if any clip of `test` is in `train` as well."""
    shared = shared_clips(train, test, max_seconds=max_seconds)
    if shared:
        examples = "".join(f"\n  {left} = {right}" for left, right in shared[:5])
        raise ValueError(
            f"{len(shared)} clips of {names[1]} are in {names[0]} too (same decoded audio); remove them from "
            f"one of the two, or set data.clips_disjoint to false if that is meant:{examples}"
        )


def _length_in_samples(path: Path, max_seconds: float) -> int:
    return round(min(clip_seconds(path), max_seconds) * SAMPLE_RATE_HZ)
