"""Audio that should not help: what a question is asked with to see whether its own audio mattered."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from rlaudio.audio.reading import SAMPLE_RATE_HZ, clip_of
from rlaudio.types import Clip, Question

_SWAPS_TRIED = 64  # per question and round
_PATIENCE = 3  # rounds without gain


@lru_cache(maxsize=4)  # a labelling asks every question with the same 30 s, and hashing them costs 4 ms
def silence(seconds: float) -> Clip:
    """Digital silence: zeros, as in the paper (30 s; noise would be content). arXiv:2509.21060."""
    count = round(seconds * SAMPLE_RATE_HZ)
    if count < 1:
        raise ValueError(f"silence of {seconds} s has no samples; expected a positive number of seconds")
    return clip_of(np.zeros(count, dtype=np.float32))


def mismatch(questions: Sequence[Question], seed: int) -> list[int]:
    """For every question the index of the one that lends it its clip, each question lending once.

    The lender's clip is always another file, and its gold answer another text as far as the set allows
    (looked for by random swaps). As a permutation it leaves the audio as a whole the same. Raises ValueError
    where one clip belongs to more than half of the questions.
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
    while rounds_without_gain < _PATIENCE:
        conflicts = [asker for asker, lent in enumerate(lender) if answers[asker] == answers[lent]]
        if not conflicts:
            break
        rounds_without_gain = 0 if len(conflicts) < fewest else rounds_without_gain + 1
        fewest = min(fewest, len(conflicts))
        for asker in conflicts:
            for other in generator.integers(len(lender), size=_SWAPS_TRIED).tolist():
                own, others = lender[asker], lender[other]
                if clips[asker] == clips[others] or clips[other] == clips[own]:
                    continue
                before = (answers[asker] == answers[own]) + (answers[other] == answers[others])
                after = (answers[asker] == answers[others]) + (answers[other] == answers[own])
                if after <= before:  # an even swap takes the conflict to where it may be solved
                    lender[asker], lender[other] = others, own
                if after < before:
                    break
    return lender


def _numbered(texts: Sequence[str]) -> np.ndarray:
    return np.unique(texts, return_inverse=True)[1] if texts else np.zeros(0, dtype=np.int64)


def _borrow_across_clips(clips: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A random permutation [questions] without any question on a place of its own clip.

    Questions stand sorted by clip, clips in random order; a shift by the most that share one clip takes every
    question out of its own.
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
