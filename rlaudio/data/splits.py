"""Leakage between sets: the same audio in both, compared by decoded samples and not by file name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rlaudio.audio.length_policy import MAX_SECONDS
from rlaudio.audio.reading import SAMPLE_RATE_HZ
from rlaudio.data.index import Measured, measure
from rlaudio.types import Clip, Question
from rlaudio.utils.number_format import thousands


def clip_digests(clips: Iterable[Path | Clip], *, max_seconds: float = MAX_SECONDS) -> dict[Path | Clip, str]:
    """The digest of the decoded audio of every clip, up to `max_seconds`; equal audio, equal digest."""
    return {
        clip: measured.or_raise().digest(max_seconds)
        for clip, measured in measure(clips, decode=max_seconds).items()
    }


def shared_clips(
    left: Sequence[Question], right: Sequence[Question], *, max_seconds: float = MAX_SECONDS
) -> list[tuple[Path | Clip, Path | Clip]]:
    """Pairs of clips, one of each set, whose first `max_seconds` decode to the same audio.

    Only clips whose length occurs on both sides are decoded: audio of another length cannot be equal.
    """
    left_clips, right_clips = _clips(left), _clips(right)
    lengths: dict[Path | Clip, int] = {}
    for clips in (left_clips, right_clips):  # each has an index of its own
        measured = measure(clips)
        lengths |= {clip: length_in_samples(measured[clip].or_raise(), max_seconds) for clip in clips}
    shared_lengths = {lengths[clip] for clip in left_clips} & {lengths[clip] for clip in right_clips}
    digests: dict[Path | Clip, str] = {}
    for clips in (left_clips, right_clips):
        suspects = [clip for clip in clips if lengths[clip] in shared_lengths]
        digests |= clip_digests(suspects, max_seconds=max_seconds)
    by_digest = {digests[clip]: clip for clip in left_clips if clip in digests}
    return [
        (by_digest[digests[clip]], clip)
        for clip in right_clips
        if clip in digests and digests[clip] in by_digest
    ]


def check_disjoint(
    train: Sequence[Question],
    test: Sequence[Question],
    *,
    names: tuple[str, str] = ("train", "test"),
    max_seconds: float = MAX_SECONDS,
) -> None:
    """Raise ValueError, naming a few files, if any clip of `test` is in `train` as well."""
    shared = shared_clips(train, test, max_seconds=max_seconds)
    if shared:
        examples = "".join(f"\n  {_name(left)} = {_name(right)}" for left, right in shared[:5])
        raise ValueError(
            f"{thousands(len(shared))} clips of {names[1]} are in {names[0]} too (same decoded audio); "
            "remove them from one of the two, or set data.clips_disjoint to false if that is meant:"
            f"{examples}"
        )


def _clips(questions: Sequence[Question]) -> list[Path | Clip]:
    """Every clip of the questions, each once."""
    return list(dict.fromkeys(clip for question in questions for clip in question.clips))


def length_in_samples(measured: Measured, max_seconds: float) -> int:
    """Samples at 16 kHz of a clip's first `max_seconds`, by its header: clips of other lengths differ."""
    return round(min(measured.seconds, max_seconds) * SAMPLE_RATE_HZ)


def _name(clip: Path | Clip) -> str:
    return f"samples {clip.digest}" if isinstance(clip, Clip) else str(clip)
