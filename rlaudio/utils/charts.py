"""Inline SVG drawings for pages: ranges on a scale. page.css gives their colours."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

ROUNDING = 1e-8  # a curve whose absolute values stay below it is constant 0
NEGLIGIBLE = 1e-3  # of the highest value: lows less than this below 0 are taken as 0


@dataclass(frozen=True)
class Mark:
    """A value with its interval, on the line of a `range_chart`."""

    value: float
    low: float
    high: float
    kind: str  # CSS class: which colour
    hollow: bool  # before the run
    title: str  # shown when pointed at


def range_chart(
    marks: Sequence[Mark],
    *,
    bounds: tuple[float, float],
    reference: float | None,
    shade: tuple[float, float] | None = None,
) -> Markup:
    """One line of a scale: each mark with its interval, and a line from every hollow mark to its filled one.

    A hollow mark lies above the filled one of its kind, so that their intervals never cover each other.
    Drawn in percent of the width it is given, so it neither shrinks its strokes nor overflows.
    `reference` (chance, or zero) is a dashed line across, `shade` a part of the scale with a tinted ground.
    """
    scale = _Scale(*bounds)
    kinds = list(dict.fromkeys(mark.kind for mark in marks))
    paired = len({mark.hollow for mark in marks}) == 2
    pitch, lane = (32, 6) if paired else (18, 0)  # from kind to kind; from a kind's rail to its marks
    height = 12 + pitch * len(kinds)
    parts = [*_ground(scale, height, reference, shade)]
    for row, kind in enumerate(kinds):
        of_kind = [mark for mark in marks if mark.kind == kind]
        parts += _row(scale, of_kind, 6 + pitch // 2 + pitch * row, lane)
    return Markup('<svg class="range" width="100%" height="{}" aria-hidden="true">{}</svg>').format(
        height, Markup("").join(parts)
    )


def range_axis(bounds: tuple[float, float], *, number: Callable[[float], str]) -> Markup:
    """The scale under a column of `range_chart`s."""
    low, high = bounds
    label = Markup('<text x="{}" y="11" text-anchor="middle">{}</text>')
    ticks = [tick for tick in nice_ticks(low, high) if low <= tick <= high]
    labels = [label.format(_Scale(low, high).at(tick), number(tick)) for tick in ticks]
    return Markup('<svg class="range" width="100%" height="14" aria-hidden="true">{}</svg>').format(
        Markup("").join(labels)
    )


def axis_ticks(values: Sequence[float]) -> list[float]:
    """`nice_ticks` that reach over the values; rounding errors below 0 do not make them reach below 0."""
    low, high = min(values), max(values)
    if max(abs(low), abs(high)) < ROUNDING:
        return nice_ticks(0.0, 1.0)
    if -NEGLIGIBLE * high <= low < 0:
        low = 0.0
    return nice_ticks(low, high)


def nice_ticks(low: float, high: float, most: int = 4) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) that reach over `low` to `high`."""
    if high <= low:
        margin = abs(low) / 2 or 1.0
        low, high = low - margin, high + margin
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


# --- helpers -------------------------------------------------------------------------------------


class _Scale(NamedTuple):
    """From the left edge of a drawing to its right one."""

    low: float
    high: float

    def percent(self, value: float) -> float:
        """How far a value stands across; what is outside stands at the edge."""
        return 100 * min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))

    def at(self, value: float) -> str:
        """The same as an SVG length."""
        return f"{self.percent(value):.2f}%"


def _ground(
    scale: _Scale, height: int, reference: float | None, shade: tuple[float, float] | None
) -> Iterator[Markup]:
    """What lies under the marks."""
    if shade is not None:
        left, right = map(scale.percent, shade)
        yield Markup('<rect class="shade" x="{:.2f}%" width="{:.2f}%" y="0" height="{}"/>').format(
            left, right - left, height
        )
    if reference is not None:
        yield Markup('<line class="reference" x1="{0}" x2="{0}" y1="0" y2="{1}"/>').format(
            scale.at(reference), height
        )


def _row(scale: _Scale, marks: Sequence[Mark], y: int, lane: int) -> Iterator[Markup]:
    """The marks of one kind, `lane` above and below their rail."""
    yield Markup('<line class="rail" x1="0%" x2="100%" y1="{0}" y2="{0}"/>').format(y)
    if len(marks) == 2:
        first, second = marks
        yield Markup('<line class="path {}" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
            first.kind, scale.at(first.value), scale.at(second.value), y - lane, y + lane
        )
    for mark in marks:
        yield Markup(
            '<g class="mark {kind} {state}"><title>{title}</title>'
            '<line class="interval" x1="{low}" x2="{high}" y1="{y}" y2="{y}"/>'
            '<circle cx="{value}" cy="{y}" r="5"/></g>'
        ).format(
            kind=mark.kind,
            state="hollow" if mark.hollow else "filled",
            title=mark.title,
            low=scale.at(mark.low),
            high=scale.at(mark.high),
            value=scale.at(mark.value),
            y=y - lane if mark.hollow else y + lane,
        )
