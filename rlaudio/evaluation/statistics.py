"""Uncertainty of accuracies and their differences: 95 % intervals, exact tests, the noise of seeds.

docs/statistics.md tells which interval is used where, and how often each covers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

LEVEL = 0.95  # of every interval


class Interval(NamedTuple):
    """A central interval; both ends belong to it."""

    low: float
    high: float


def accuracy_interval(right: ArrayLike) -> Interval:
    """Interval of an accuracy from the answers that are right: bool [Q] of one model, or [S, Q] of S seeds.

    One model or one seed: Wilson, JASA 22 (1927), which has a width where all or none are right too. It
    holds for that very model: nothing is known about other seeds. Several seeds: seeds and questions are
    both a sample (`_crossed_interval`), after two questions are added that every seed answers right and two
    that every seed answers wrong (Agresti and Coull, Am. Stat. 52, 1998).

    Raises ValueError where `right` is not bool, or holds no answer.
    """
    right = _by_seed(right)
    seeds, count = right.shape
    if seeds == 1:
        low, high = stats.binomtest(int(right.sum()), count).proportion_ci(LEVEL, method="wilson")
    else:
        low, high = _crossed_interval(np.hstack([right, np.ones((seeds, 2)), np.zeros((seeds, 2))]))
    return Interval(max(0.0, float(low)), min(1.0, float(high)))


def mean_interval(values: ArrayLike) -> Interval:
    """Interval of the mean of grades [Q] between 0 and 1, by Student's t. Raises ValueError for none."""
    values = np.asarray(values, dtype=float)
    if not values.size:
        raise ValueError("the interval of a mean needs a value; found none")
    half = 0.0
    if values.size > 1:
        half = stats.sem(values) * stats.t.ppf(0.5 + LEVEL / 2, values.size - 1)
    return Interval(max(0.0, float(values.mean() - half)), min(1.0, float(values.mean() + half)))


def grade_difference(after: ArrayLike, before: ArrayLike) -> tuple[Interval, float | None]:
    """Interval of the mean of after - before, grades [Q] of the same questions, and its two-sided p-value.

    Both by Student's t over the questions. Of a single question, or where all differ alike but for rounding,
    the interval has no width and there is no p-value.

    Raises ValueError where the two are not grades of the same questions.
    """
    after, before = np.asarray(after, dtype=float), np.asarray(before, dtype=float)
    if after.shape != before.shape or after.ndim != 1 or not after.size:
        raise ValueError(f"expected grades [Q] of the same questions; found {after.shape}, {before.shape}")
    differences = after - before
    mean, count = float(differences.mean()), differences.size
    alike = np.allclose(differences, mean, rtol=0, atol=1e-12)
    error = 0.0 if alike else float(stats.sem(differences))
    half = error * float(stats.t.ppf(0.5 + LEVEL / 2, max(1, count - 1)))
    p_value = float(2 * stats.t.sf(abs(mean) / error, count - 1)) if error else None
    return Interval(max(-1.0, mean - half), min(1.0, mean + half)), p_value


def difference_interval(after: ArrayLike, before: ArrayLike) -> Interval:
    """Interval of accuracy(after) - accuracy(before) on the same questions: bool [Q], or [S, Q] of S seeds.

    Two questions are added, one that only `after` answers right and one that only `before` does, so that
    the interval has a width where no answer differs. One model or one seed: Bonett and Price, Br. J. Math.
    Stat. Psychol. 65 (2012); it holds for these very models. Several seeds: the added questions are answered
    so by every seed, then `_crossed_interval`.

    Raises ValueError where the two do not hold one truth value for each of the same questions.
    """
    differences = _differences(after, before)
    if len(differences) == 1:
        mean = float(differences.mean())
        half = float(stats.norm.ppf(0.5 + LEVEL / 2)) * math.sqrt(differences.var() / differences.size)
        low, high = mean - half, mean + half
    else:
        low, high = _crossed_interval(differences)
    return Interval(max(-1.0, low), min(1.0, high))


def difference_p_value(after: ArrayLike, before: ArrayLike) -> float:
    """Two-sided p-value of "no difference" on the same questions: bool [Q], or [S, Q] of S seeds.

    One model or one seed: McNemar's exact test. Several seeds: Student's t by the variance of
    `difference_interval`, over seeds and questions, so that it is below 0.05 where the interval leaves out 0.

    Raises ValueError where the two do not hold one truth value for each of the same questions.
    """
    differences = _differences(after, before)
    if len(differences) == 1:
        return mcnemar_p_value(np.ravel(after), np.ravel(before))
    mean, error, degrees = _crossed(differences)
    return float(2 * stats.t.sf(abs(mean) / error, degrees))


def bootstrap_interval(after: ArrayLike, before: ArrayLike, *, resamples: int = 10_000) -> Interval:
    """Percentile interval of accuracy(after) - accuracy(before), bool [Q] each, over resampled questions.

    A question's difference is -1, 0 or 1, so how often each is drawn is multinomial: no question is drawn
    one by one, and the draws are the same each time. Efron and Tibshirani, 1993. It has no width where no
    answer differs; `difference_interval` has.

    Raises ValueError where the two do not hold one truth value for each of the same questions.
    """
    after, before = _by_seed(after), _by_seed(before)
    if after.shape != before.shape or len(after) != 1:
        raise ValueError(f"expected answers [Q] to the same questions; found {after.shape}, {before.shape}")
    differences = after[0].astype(int) - before[0]
    counts = np.array([(differences == value).sum() for value in (-1, 0, 1)])
    drawn = np.random.default_rng(0).multinomial(counts.sum(), counts / counts.sum(), resamples)
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile((drawn[:, 2] - drawn[:, 0]) / counts.sum(), [tail, 100 - tail])
    return Interval(float(low), float(high))


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
    return float(stats.binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


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


def seed_noise(accuracies: ArrayLike) -> float | None:
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
    return float(stats.t.ppf(0.5 + LEVEL / 2, degrees)) * deviation * math.sqrt(2 / seeds)


def _by_seed(answers: ArrayLike) -> np.ndarray:
    """The answers as [S, Q], one row where there is no axis of seeds."""
    answers = np.asarray(answers)
    if answers.dtype != bool or answers.ndim not in (1, 2) or answers.size == 0:
        raise ValueError(
            "expected at least one answer, all bool, of shape [questions] or [seeds, questions]; "
            f"found {answers.dtype} {answers.shape}"
        )
    return np.atleast_2d(answers)


def _differences(after: ArrayLike, before: ArrayLike) -> np.ndarray:
    """after - before [S, Q + 2], a question gained and one lost added for every seed."""
    after, before = _by_seed(after), _by_seed(before)
    if after.shape != before.shape:
        raise ValueError(
            f"expected answers to the same questions; found shapes {after.shape}, {before.shape}"
        )
    return np.hstack([after.astype(float) - before, np.tile([1.0, -1.0], (len(after), 1))])


def _crossed_interval(values: np.ndarray) -> tuple[float, float]:
    """t interval of the mean of `values` [S, Q], see `_crossed`."""
    mean, error, degrees = _crossed(values)
    half = float(stats.t.ppf(0.5 + LEVEL / 2, degrees)) * error
    return mean - half, mean + half


def _crossed(values: np.ndarray) -> tuple[float, float, float]:
    """Mean of `values` [S, Q], S >= 2, its standard error and degrees of freedom.

    It is taken that value = mean + seed + question + rest.

    All three are random, so the variance of the mean is (seeds + questions - rest) / SQ in mean squares of
    the two-way table, with the degrees of freedom of Satterthwaite, Biometrics Bull. 2 (1946). Readers and
    cases of a radiological study are crossed like this: Hillis, Stat. Med. 33 (2014).
    """
    seeds, count = values.shape
    mean, of_seeds, of_questions = values.mean(), values.mean(axis=1, keepdims=True), values.mean(axis=0)
    sums = [  # of squares
        count * ((of_seeds - mean) ** 2).sum(),
        seeds * ((of_questions - mean) ** 2).sum(),
        ((values - of_seeds - of_questions + mean) ** 2).sum(),
    ]
    degrees = np.array([seeds - 1, count - 1, (seeds - 1) * (count - 1)])
    squares = sums / degrees
    by_seed, by_question, rest = squares
    # Each of the first two holds the rest and a component, which is 0 where it would come out negative.
    total = max(by_seed - rest, 0.0) + max(by_question - rest, 0.0) + rest
    effective = total**2 / (squares**2 / degrees).sum()
    return float(mean), math.sqrt(total / values.size), float(effective)
