"""How sure an accuracy, or a difference of two, is: bootstrap intervals and McNemar's exact test."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Interval(NamedTuple):
    """A central interval; both ends belong to it."""

    low: float
    high: float


def bootstrap_interval(
    values: ArrayLike, *, resamples: int = 1000, level: float = 0.95, rng: np.random.Generator
) -> Interval:
    """Percentile bootstrap interval of the mean of `values` [N], drawn again over the N items.

    Efron and Tibshirani (1993), ch. 13. Where all values are equal (accuracy 0 or 1) the interval has
    no width: the bootstrap cannot see what the sample does not hold.

    Raises ValueError for no values, a value that is not finite, resamples < 1 or a level outside (0, 1).
    """
    values = np.asarray(values, dtype=float)  # [N]
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise ValueError(f"a bootstrap needs at least one value and all finite; found shape {values.shape}")
    if resamples < 1 or not 0.0 < level < 1.0:
        raise ValueError(f"found resamples={resamples}, level={level}; expected >= 1 and between 0 and 1")
    # How often N draws with replacement hit each distinct value is multinomial. Right/wrong has two
    # distinct values and a paired difference three, so this costs O(resamples), not O(N * resamples).
    distinct, counts = np.unique(values, return_counts=True)  # [D], [D]
    hits = rng.multinomial(values.size, counts / values.size, size=resamples)  # [resamples, D]
    means = hits @ distinct / values.size
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(means, (tail, 1.0 - tail))
    return Interval(float(low), float(high))


def paired_bootstrap_interval(
    after: ArrayLike,
    before: ArrayLike,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    rng: np.random.Generator,
) -> Interval:
    """Percentile bootstrap interval of mean(after) - mean(before) over the same items, drawn as pairs.

    Raises ValueError where the two do not hold one value per item, and as `bootstrap_interval` does.
    """
    after, before = np.asarray(after, dtype=float), np.asarray(before, dtype=float)
    if after.shape != before.shape:
        raise ValueError(
            f"paired values must be of the same items; found shapes {after.shape}, {before.shape}"
        )
    return bootstrap_interval(after - before, resamples=resamples, level=level, rng=rng)


def mcnemar_p_value(after: ArrayLike, before: ArrayLike) -> float:
    """Two-sided exact p-value of "both are right equally often", from the items where they differ.

    McNemar (1947) with the binomial tail instead of chi-squared, so that few differing items are no
    problem; 1.0 where none differs.

    Raises ValueError where the two do not hold one truth value per item.
    """
    after, before = np.asarray(after), np.asarray(before)
    if after.shape != before.shape or after.dtype != bool or before.dtype != bool:
        raise ValueError(
            f"expected two bool arrays of the same items; found {after.dtype} {after.shape} "
            f"and {before.dtype} {before.shape}"
        )
    gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
    differing = gained + lost
    tail = sum(math.comb(differing, k) for k in range(min(gained, lost) + 1))
    return min(1.0, 2 * tail / 2**differing)
