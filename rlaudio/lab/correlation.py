"""Correlations of values per completion; NaN where a side is constant or fewer than three are known."""

from __future__ import annotations

import numpy as np


def pearson(first: np.ndarray, second: np.ndarray) -> float:
    """Of two arrays [N], over the places where both are known."""
    known = ~(np.isnan(first) | np.isnan(second))
    a, b = first[known].astype(float), second[known].astype(float)
    if len(a) < 3 or a.min() == a.max() or b.min() == b.max():
        return float("nan")
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """The same of their ranks; equal values share the mean of their ranks."""
    known = ~(np.isnan(first) | np.isnan(second))
    return pearson(_ranks(first[known]), _ranks(second[known]))


def _ranks(values: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2.0)[inverse]
