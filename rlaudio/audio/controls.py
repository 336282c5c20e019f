"""Control conditions: audio that should not help, to see whether a question's own clip mattered."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from rlaudio.audio.reading import SAMPLE_RATE_HZ, clip_of
from rlaudio.types import Clip, Question

_SWAPS_TRIED = 64  # per question and round
_ROUNDS_WITHOUT_GAIN = 3  # after which the swaps end


@lru_cache(maxsize=4)  # a labelling asks every question with the same 30 s, and hashing them costs 4 ms
def silence(seconds: float) -> Clip:
    """Digital silence: zeros, as in the paper (30 s; noise would be content). arXiv:2509.21060."""
    count = round(seconds * SAMPLE_RATE_HZ)
    if count < 1:
        raise ValueError(f"silence of {seconds} s has no samples; expected a positive number of seconds")
    return clip_of(np.zeros(count, dtype=np.float32))


def mismatch(questions: Sequence[Question], seed: int) -> list[int]:
    """For every question the index of the one that lends it its clip, each question lending once.

    The lender's clip is always another file, and its gold answer another text as far as random swaps find
    one. The result is a permutation, so the set's audio as a whole stays the same. Raises ValueError where
    one clip belongs to more than half of the questions.
    """
    generator = np.random.default_rng(seed)
    clips = _numbered([" ".join(question.clip_names) for question in questions])
    answers = _numbered([question.answer.lower() for question in questions])
    lender = _borrow_across_clips(clips, generator)
    return _swap_equal_answers_away(lender.tolist(), clips.tolist(), answers.tolist(), generator)


def _swap_equal_answers_away(
    lender: list[int], clips: list[int], answers: list[int], generator: np.random.Generator
) -> list[int]:
    lender = list(lender)
    fewest, rounds_without_gain = len(lender) + 1, 0
    while rounds_without_gain < _ROUNDS_WITHOUT_GAIN:
        conflicts = [asker for asker, lent in enumerate(lender) if answers[asker] == answers[lent]]
        if not conflicts:
            break
        rounds_without_gain = 0 if len(conflicts) < fewest else rounds_without_gain + 1
        fewest = min(fewest, len(conflicts))
        for asker in conflicts:
            for other in generator.integers(len(lender), size=_SWAPS_TRIED).tolist():
                old, new = lender[asker], lender[other]
                if clips[asker] == clips[new] or clips[other] == clips[old]:
                    continue
                before = (answers[asker] == answers[old]) + (answers[other] == answers[new])
                after = (answers[asker] == answers[new]) + (answers[other] == answers[old])
                if after <= before:  # an equal swap moves the conflict to a question that may solve it
                    lender[asker], lender[other] = new, old
                if after < before:
                    break
    return lender


def _numbered(texts: Sequence[str]) -> np.ndarray:
    return np.unique(texts, return_inverse=True)[1] if texts else np.zeros(0, dtype=np.int64)


def _borrow_across_clips(clips: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A random permutation [questions] that gives no question its own clip.

    Questions are sorted by clip, clips in random order; a shift by the largest number of questions that share
    a clip gives each question another clip.
    """
    if len(clips) == 0:
        return clips
    most = int(np.bincount(clips).max())
    if 2 * most > len(clips):
        raise ValueError(
            f"mismatched audio: {most} of {len(clips)} questions share one clip and cannot all borrow "
            "another; expected no clip to belong to more than half of the questions"
        )
    shuffled = generator.permutation(len(clips))
    rank_of_clip = generator.permutation(int(clips.max()) + 1)
    order = shuffled[np.argsort(rank_of_clip[clips[shuffled]], kind="stable")]
    lender = np.empty(len(clips), dtype=np.int64)
    lender[order] = np.roll(order, most)
    return lender
