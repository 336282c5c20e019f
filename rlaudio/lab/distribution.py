"""How values are distributed: count, mean, spread, quantiles, a histogram."""

from __future__ import annotations

from typing import Any

import numpy as np

QUANTILES = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "max": 1.0}
_BINS = 10
_ROUNDING = 1e-12  # of the largest value: a range below it has no bins
_TINY = float(np.finfo(float).tiny)


def distribution(values: np.ndarray) -> dict[str, Any]:
    """Count, mean, spread, quantiles and a histogram of values [N]; NaN counts as missing."""
    known = values[~np.isnan(values)]
    result: dict[str, Any] = {"count": len(known), "missing": len(values) - len(known)}
    if not len(known):
        return result
    result |= {"mean": known.mean(), "std": known.std(), "distinct": len(np.unique(known))}
    result |= {name: np.quantile(known, at) for name, at in QUANTILES.items()}
    return result | _histogram(known)


def _histogram(values: np.ndarray) -> dict[str, Any]:
    """Counts and edges; values that differ by rounding alone share a bin. Nothing for an infinite range."""
    low, high = float(values.min()), float(values.max())
    largest = max(abs(low), abs(high))
    if not np.isfinite(high - low):
        return {}
    if high - low <= max(_ROUNDING * largest, _TINY):
        low, high = low - max(0.5, largest / 2), high + max(0.5, largest / 2)
    counts, edges = np.histogram(values, bins=_BINS, range=(low, high))
    return {"histogram": {"counts": counts, "edges": edges}}
