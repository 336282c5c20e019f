"""From several channels to one, without a loss that nobody is told of."""

from __future__ import annotations

import numpy as np

_BLOCK = 4096  # frames that are judged together
_LEAST_LEFT = 0.2  # of the power that an average of unrelated channels keeps: 1/channels
_MOST_LOST = 0.1  # of the power, in blocks that keep less than that


def to_mono(samples: np.ndarray) -> tuple[np.ndarray, int | None]:
    """The average [frames] of channels [frames, channels]; where they cancel out the loudest, and its number.

    Channels of opposite sign cancel out (a cable soldered wrongly, two microphones face to face): then an
    average would be silence, or what little they do not share.
    """
    if samples.shape[1] == 1:
        return samples[:, 0], None
    average = samples.mean(axis=1)
    of_channels, of_average = _power(samples), _power(average[:, None])[:, 0]  # [blocks, channels], [blocks]
    there = of_channels.mean(axis=1)
    lost = there[of_average < _LEAST_LEFT / samples.shape[1] * there].sum()
    if lost <= _MOST_LOST * there.sum():
        return average, None
    loudest = int(of_channels.sum(axis=0).argmax())
    return samples[:, loudest], loudest


def _power(samples: np.ndarray) -> np.ndarray:
    """Sums of squares [blocks, channels]."""
    starts = np.arange(0, len(samples), _BLOCK)
    return np.add.reduceat(np.square(samples, dtype=np.float64), starts, axis=0)
