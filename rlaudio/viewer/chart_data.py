"""Curves as the scripts of a page draw them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rlaudio.runs.files import Json
from rlaudio.utils.charts import axis_ticks

MOST_POINTS = 1_000  # of a curve; more are drawn as means of neighbours
FRACTION_TOPS = (0.01, 0.05, 0.2, 1.0)  # a fraction is drawn from 0 to the first of these above it
PLAIN = -1  # the colour of what others are compared with

Values = Sequence[float | None]  # None: a gap


@dataclass(frozen=True)
class PlottedCurve:
    """One curve of a chart, with its range over seeds where there are several."""

    name: str
    y: Values
    low: Values | None = None
    high: Values | None = None
    is_plain: bool = False  # grey and dashed

    def as_json(self, colour: int) -> Json:
        """Thinned out, as the scripts read it."""
        return {
            "name": self.name,
            "colour": PLAIN if self.is_plain else colour,
            "y": thin_out(self.y),
            "low": self.low and thin_out(self.low),
            "high": self.high and thin_out(self.high),
        }


def chart_data(
    curves: Sequence[PlottedCurve], x: Sequence[float], *, axis: str, is_fraction: bool, group: str
) -> Json:
    """One chart of curves that have a value, or None, for every x.

    `axis` says what x is; the charts of a `group` show their values at the same x.
    """
    values = [v for c in curves for of in (c.y, c.low or (), c.high or ()) for v in of if v is not None]
    ticks = axis_ticks(values or [0.0])
    return {
        "x": [stretch[-1] for stretch in _stretches(x)],
        "axis": axis,
        "unit": "fraction" if is_fraction else "",
        "bounds": (0.0, _fraction_top(max(values, default=0.0))) if is_fraction else (ticks[0], ticks[-1]),
        "group": group,
        "series": [curve.as_json(colour) for colour, curve in enumerate(curves)],
    }


def thin_out(values: Values, most: int = MOST_POINTS) -> list[float | None]:
    """At most `most` values: neighbours are replaced by their means."""
    means = []
    for stretch in _stretches(values, most):
        known = [value for value in stretch if value is not None]
        means.append(sum(known) / len(known) if known else None)
    return means


def _stretches(values: Sequence[float | None], most: int = MOST_POINTS) -> list[Sequence[float | None]]:
    parts = min(most, len(values))
    edges = [index * len(values) // parts for index in range(parts + 1)] if parts else [0]
    return [values[start:end] for start, end in pairwise(edges)]


def _fraction_top(highest: float) -> float:
    """The upper end of a fraction's axis; a fraction that is always 0 is drawn on the whole scale."""
    tops = (top for top in FRACTION_TOPS if highest <= top)
    return next(tops, highest) if highest > 0 else FRACTION_TOPS[-1]
