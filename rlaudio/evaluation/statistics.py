"""Uncertainty of accuracies and their differences: bootstrap intervals, exact tests, the noise of seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
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


def crossed_bootstrap_interval(
    values: ArrayLike, *, resamples: int = 1000, level: float = 0.95, rng: np.random.Generator
) -> Interval:
    """Percentile interval of the mean of `values` [S, Q], drawn again over the S rows and the Q columns.

    For runs (seeds) that answered the same questions: both are a sample. A. B. Owen, The pigeonhole
    bootstrap, Ann. Appl. Stat. 1 (2007). With few rows it is too narrow: it sees 1 - 1/S of their variance.

    Raises ValueError for no values, a value that is not finite, resamples < 1 or a level outside (0, 1).
    """
    values = np.asarray(values, dtype=float)  # [S, Q]
    if values.ndim != 2 or values.size == 0 or not np.isfinite(values).all():
        raise ValueError(f"expected finite values of shape [seeds, questions]; found shape {values.shape}")
    if resamples < 1 or not 0.0 < level < 1.0:
        raise ValueError(f"found resamples={resamples}, level={level}; expected >= 1 and between 0 and 1")
    rows, columns = values.shape
    row_hits = rng.multinomial(rows, np.full(rows, 1 / rows), size=resamples)  # [resamples, S]
    column_hits = rng.multinomial(columns, np.full(columns, 1 / columns), size=resamples)  # [resamples, Q]
    means = ((row_hits @ values) * column_hits).sum(axis=1) / values.size
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(means, (tail, 1.0 - tail))
    return Interval(float(low), float(high))


def sign_flip_p_value(differences: ArrayLike) -> float:
    """Two-sided exact p-value of "each item's difference [Q] (whole numbers) might as well be its negative".

    With right minus right in {-1, 0, 1} this is McNemar's exact test; with the sum over several seeds of a
    question's differences it is McNemar's for questions asked several times, which are not independent.
    Fisher's randomisation test (The Design of Experiments, 1935, section 21), by the exact distribution.

    Raises ValueError for differences that are no whole numbers.
    """
    differences = np.asarray(differences)
    if differences.ndim != 1 or not np.issubdtype(differences.dtype, np.integer):
        raise ValueError(f"expected whole numbers [Q]; found {differences.dtype} {differences.shape}")
    sizes = np.abs(differences)
    reach = int(sizes.sum())
    chances: np.ndarray = np.ones(1)  # of every sum from -reach to reach, as far as the sizes have come
    for size in np.unique(sizes[sizes > 0]):
        count = int((sizes == size).sum())
        binomial = [math.comb(count, k) / 2**count for k in range(count + 1)]
        steps = np.zeros(2 * int(size) * count + 1)
        steps[:: 2 * int(size)] = binomial
        chances = np.convolve(chances, steps)
    sums = np.arange(-reach, reach + 1)
    return min(1.0, float(chances[np.abs(sums) >= abs(int(differences.sum()))].sum()))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for their number, so that any below 0.05 may be believed at 5 % for all together.

    S. Holm, A simple sequentially rejective multiple test procedure, Scand. J. Stat. 6 (1979).
    """
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def seed_noise(accuracies: ArrayLike, *, level: float = 0.95) -> float | None:
    """How far apart two arms must be to differ by more than their seeds, given accuracies [A, S].

    Fisher's least significant difference in a block design: the arms of one seed share its warm start, so
    what a seed does to all arms alike does not count; the rest is the noise, pooled over arms. None for
    fewer than two arms or seeds, where nothing is known about it.
    """
    accuracies = np.asarray(accuracies, dtype=float)  # [A, S]
    arms, seeds = accuracies.shape
    if arms < 2 or seeds < 2:
        return None
    rest = accuracies - accuracies.mean(1, keepdims=True) - accuracies.mean(0) + accuracies.mean()
    degrees = (arms - 1) * (seeds - 1)
    deviation = math.sqrt(float((rest**2).sum()) / degrees)
    return t_quantile(0.5 + level / 2, degrees) * deviation * math.sqrt(2 / seeds)


def t_quantile(probability: float, degrees: int) -> float:
    """The quantile of Student's t distribution, for probabilities from one half up.

    With t = sqrt(n) tan(a) the distribution function is an integral of cos^(n-1), done by Simpson's rule.
    """
    if not 0.5 <= probability < 1.0 or degrees < 1:
        raise ValueError(f"found probability={probability}, degrees={degrees}; expected 0.5 to 1, and >= 1")
    norm = math.exp(math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)) / math.sqrt(math.pi)

    def share(angle: float) -> float:
        at = np.linspace(0.0, angle, 2001)
        weights = np.where(np.arange(2001) % 2 == 1, 4.0, 2.0)
        weights[[0, -1]] = 1.0
        return norm * float((weights * np.cos(at) ** (degrees - 1)).sum()) * angle / 2000 / 3

    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if share(middle) < probability - 0.5 else (low, middle)
    return math.sqrt(degrees) * math.tan(low)
