"""What sequences of tokens begin with in common, so that a model computes it once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def common_start(sequences: Sequence[np.ndarray]) -> int:
    """Entries that all of several sequences [T] begin with, or all but the last of the shortest one.

    None where one of them is empty.
    """
    shortest = max(0, min(map(len, sequences)) - 1)
    heads = np.stack([sequence[:shortest] for sequence in sequences])
    differs = np.flatnonzero((heads != heads[0]).any(axis=0))
    return int(differs[0]) if len(differs) else shortest


def before_media(token_ids: np.ndarray, media: Sequence[int]) -> int:
    """Tokens [T] before the first that stands for media: what a clip changes begins there."""
    stands_for_media = np.flatnonzero(np.isin(token_ids, np.asarray(media)))
    return int(stands_for_media[0]) if len(stands_for_media) else len(token_ids)
