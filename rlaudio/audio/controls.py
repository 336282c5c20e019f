"""Audio that should not help: what a question is asked with to see whether its own audio mattered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rlaudio.audio.reading import SAMPLE_RATE_HZ, clip_of
from rlaudio.types import Clip, Question


def silence(seconds: float) -> Clip:
    """Digital silence: zeros, as in the paper (30 s; noise would be content). arXiv:2509.21060."""
    count = round(seconds * SAMPLE_RATE_HZ)
    if count < 1:
        raise ValueError(f"silence of {seconds} s has no samples; expected a positive number of seconds")
    return clip_of(np.zeros(count, dtype=np.float32))


def mismatch(questions: Sequence[Question], seed: int) -> list[int]:
    """For every question the index of one that lends it its clip, each clip's owner lending once.

    The lender's clip is always another file and, wherever the set allows, its gold answer is another text.
    The result is a permutation, so the audio as a whole stays the same. Raises ValueError where one clip
    belongs to more than half of the questions.
    """
    generator = np.random.default_rng(seed)
    lender = generator.permutation(len(questions))

    def cost(asker: int, lender_index: int) -> int:
        own, lent = questions[asker], questions[lender_index]
        if own.audio_path == lent.audio_path:
            return 4  # more than the swap of two equal answers could ever save
        return int(own.answer.lower() == lent.answer.lower())

    for asker in range(len(questions)):
        if cost(asker, lender[asker]) == 0:
            continue
        for other in generator.permutation(len(questions)):
            before = cost(asker, lender[asker]) + cost(other, lender[other])
            after = cost(asker, lender[other]) + cost(other, lender[asker])
            if after < before:
                lender[asker], lender[other] = lender[other], lender[asker]
            if cost(asker, lender[asker]) == 0:
                break
    kept = sum(cost(asker, lender[asker]) >= 4 for asker in range(len(questions)))
    if kept:
        raise ValueError(
            f"mismatched audio: {kept} of {len(questions)} questions have no other clip to borrow; expected "
            "no clip to belong to more than half of the questions; add questions about other clips"
        )
    return [int(index) for index in lender]
