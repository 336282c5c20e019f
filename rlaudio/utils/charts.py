"""Inline SVG drawings for pages: curves, ranges on a scale, waveforms. page.css gives their colours."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from markupsafe import Markup, escape

WIDTH, HEIGHT = 320, 190
LEFT, RIGHT, TOP, BOTTOM = 40, 10, 10, 24
MOST_POINTS = 240  # of a curve; the width shows no more
SMOOTHED_FROM = 30  # points; shorter curves are drawn as they are
ROUNDING = 1e-8  # a curve whose absolute values stay below it is constant 0
NEGLIGIBLE = 1e-3  # of the highest value: lows less than this below 0 are taken as 0

Point = tuple[float, float | None]  # None: no value at this step, a gap in the curve


@dataclass(frozen=True)
class Series:
    """One curve of a chart."""

    name: str
    points: Sequence[Point]

    @property
    def values(self) -> list[float]:
        """The values without the gaps."""
        return [y for _, y in self.points if y is not None]

    @cached_property
    def drawn(self) -> list[Point]:
        """At most MOST_POINTS points."""
        return thin_out(self.points)

    @cached_property
    def smooth(self) -> list[Point]:
        """The running mean of a long curve, else the points themselves."""
        if len(self.drawn) < SMOOTHED_FROM:
            return self.drawn
        means = running_mean([y for _, y in self.drawn], window=max(5, len(self.drawn) // 15))
        return [(x, y) for (x, _), y in zip(self.drawn, means, strict=True)]

    @property
    def end(self) -> float:
        """Where the smooth curve ends. Raises IndexError for a curve without values."""
        return [y for _, y in self.smooth if y is not None][-1]


def line_chart(
    series: Sequence[Series],
    *,
    label: str,
    bounds: tuple[float, float] | None = None,
    number: Callable[[float], str] = lambda value: f"{value:.3g}",
) -> Markup:
    """The curves over their steps as an SVG element; a long one as a pale trace under its running mean.

    `bounds` fixes the vertical axis, which else spans the values. `label` is read out by screen readers.
    Raises ValueError where no curve has a value.
    """
    values = [y for curve in series for y in curve.values]
    if not values:
        raise ValueError(f"chart {label!r} has no values; leave it out")
    steps = [x for curve in series for x, _ in curve.points]
    ticks = nice_ticks(*bounds) if bounds else axis_ticks(values)
    low, high = bounds or (ticks[0], ticks[-1])

    def place(x: float, y: float) -> tuple[float, float]:
        first, last = min(steps), max(steps)
        across = (x - first) / (last - first) if last > first else 0.5
        up = (min(max(y, low), high) - low) / (high - low)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    parts = [_grid_line(place(min(steps), tick)[1], number(tick)) for tick in ticks if low <= tick <= high]
    parts += [_step_label(place(step, low)[0], step) for step in dict.fromkeys([min(steps), max(steps)])]
    for index, curve in enumerate(series):
        parts += _curve(curve, f"series-{index}", place)
    return _chart(parts, label)


@dataclass(frozen=True)
class Area:
    """A curve with its range: (x, mean, low, high) in the order of x; `kind` is a CSS class."""

    kind: str
    points: Sequence[tuple[float, float, float, float]]


def band_chart(
    areas: Sequence[Area],
    *,
    label: str,
    bounds: tuple[float, float],
    last: float,
    number: Callable[[float], str] = lambda value: f"{value:.3g}",
) -> Markup:
    """Curves within their ranges, from 0 to `last` across, as an SVG element; the last one lies on top.

    `bounds` are the ends of the vertical axis, so that charts beside each other can be compared.
    """
    low, high = bounds

    def place(x: float, y: float) -> tuple[float, float]:
        up = (min(max(y, low), high) - low) / (high - low)
        across = LEFT + (x / last) * (WIDTH - LEFT - RIGHT)
        return across, HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    ticks = [tick for tick in nice_ticks(low, high) if low <= tick <= high]
    parts = [_grid_line(place(0, tick)[1], number(tick)) for tick in ticks]
    parts += [_step_label(place(x, low)[0], x) for x in (0.0, last)]
    for area in areas:
        edge = [(x, top) for x, _, _, top in area.points] + [(x, low) for x, _, low, _ in area.points[::-1]]
        outline = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in edge))
        parts.append(Markup('<polygon class="band {}" points="{}"/>').format(area.kind, outline))
        means: list[Point] = [(x, mean) for x, mean, _, _ in area.points]
        parts += [_path(means, area.kind, place), *_end_dot(means, area.kind, place)]
    return _chart(parts, label)


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
    low, high = bounds

    def across(value: float) -> str:
        return f"{100 * min(1.0, max(0.0, (value - low) / (high - low))):.2f}%"

    kinds = list(dict.fromkeys(mark.kind for mark in marks))
    paired = len({mark.hollow for mark in marks}) == 2
    pitch, lane = (32, 6) if paired else (18, 0)  # from kind to kind; from a kind's rail to its marks
    height = 12 + pitch * len(kinds)
    parts = []
    if shade is not None:
        left, right = (100 * min(1.0, max(0.0, (end - low) / (high - low))) for end in shade)
        parts.append(
            Markup('<rect class="shade" x="{:.2f}%" width="{:.2f}%" y="0" height="{}"/>').format(
                left, right - left, height
            )
        )
    if reference is not None:
        parts.append(
            Markup('<line class="reference" x1="{0}" x2="{0}" y1="0" y2="{1}"/>').format(
                across(reference), height
            )
        )
    for row, kind in enumerate(kinds):
        y = 6 + pitch // 2 + pitch * row
        of_kind = [mark for mark in marks if mark.kind == kind]
        parts.append(Markup('<line class="rail" x1="0%" x2="100%" y1="{0}" y2="{0}"/>').format(y))
        if len(of_kind) == 2:
            parts.append(
                Markup('<line class="path {}" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
                    kind, across(of_kind[0].value), across(of_kind[1].value), y - lane, y + lane
                )
            )
        for mark in of_kind:
            parts.append(
                Markup(
                    '<g class="mark {kind} {state}"><title>{title}</title>'
                    '<line class="interval" x1="{low}" x2="{high}" y1="{y}" y2="{y}"/>'
                    '<circle cx="{value}" cy="{y}" r="5"/></g>'
                ).format(
                    kind=kind,
                    state="hollow" if mark.hollow else "filled",
                    title=mark.title,
                    low=across(mark.low),
                    high=across(mark.high),
                    value=across(mark.value),
                    y=y - lane if mark.hollow else y + lane,
                )
            )
    return Markup('<svg class="range" width="100%" height="{}" aria-hidden="true">{}</svg>').format(
        height, Markup("").join(parts)
    )


def range_axis(bounds: tuple[float, float], *, number: Callable[[float], str]) -> Markup:
    """The scale under a column of `range_chart`s."""
    low, high = bounds
    ticks = [tick for tick in nice_ticks(low, high) if low <= tick <= high]
    labels = [
        Markup('<text x="{:.2f}%" y="11" text-anchor="middle">{}</text>').format(
            100 * (tick - low) / (high - low), number(tick)
        )
        for tick in ticks
    ]
    return Markup('<svg class="range" width="100%" height="14" aria-hidden="true">{}</svg>').format(
        Markup("").join(labels)
    )


def waveform(samples: np.ndarray, *, columns: int = 160) -> Markup:
    """The envelope of mono `samples` [N] as an SVG element, scaled to its loudest moment."""
    parts = np.array_split(samples, min(columns, len(samples)))
    peaks = np.array([np.abs(part).max() for part in parts])  # [columns]
    heights = np.maximum(14 * peaks / max(float(peaks.max()), 1e-9), 0.4)
    bars = "".join(f"M{x + 0.5} {16 - h:.1f}V{16 + h:.1f}" for x, h in enumerate(heights))
    return Markup(
        '<svg class="waveform" viewBox="0 0 {} 32" preserveAspectRatio="none" aria-hidden="true">'
        '<path d="{}"/></svg>'
    ).format(len(parts), bars)


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


def running_mean(values: Sequence[float | None], window: int) -> list[float | None]:
    """At each place the mean of the values in the `window` places around it, None where there is none."""
    half = window // 2
    means: list[float | None] = []
    for index in range(len(values)):
        near = [value for value in values[max(0, index - half) : index + half + 1] if value is not None]
        means.append(sum(near) / len(near) if near else None)
    return means


def thin_out(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """At most `most` points: neighbours are replaced by their means."""
    if len(points) <= most:
        return list(points)
    thinned: list[Point] = []
    for index in range(most):
        bucket = points[index * len(points) // most : (index + 1) * len(points) // most]
        values = [y for _, y in bucket if y is not None]
        thinned.append((bucket[-1][0], sum(values) / len(values) if values else None))
    return thinned


def _curve(curve: Series, kind: str, place: Callable[[float, float], tuple[float, float]]) -> list[Markup]:
    trace = [_path(curve.drawn, f"{kind} trace", place)] if curve.smooth is not curve.drawn else []
    return [*trace, _path(curve.smooth, kind, place), *_end_dot(curve.smooth, kind, place)]


def _path(points: Sequence[Point], kind: str, place: Callable[[float, float], tuple[float, float]]) -> Markup:
    commands, pen_down = [], False
    for x, y in points:
        if y is not None:
            across, down = place(x, y)
            commands.append(f"{'L' if pen_down else 'M'}{across:.1f} {down:.1f}")
        pen_down = y is not None
    return Markup('<path class="curve {}" d="{}"/>').format(kind, " ".join(commands))


def _end_dot(
    points: Sequence[Point], kind: str, place: Callable[[float, float], tuple[float, float]]
) -> list[Markup]:
    seen = [(x, y) for x, y in points if y is not None]
    return [
        Markup('<circle class="end {}" cx="{:.1f}" cy="{:.1f}" r="2.6"/>').format(kind, *place(x, y))
        for x, y in seen[-1:]
    ]


def _chart(parts: Sequence[Markup], label: str) -> Markup:
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, label, Markup("").join(parts)
    )


def _grid_line(y: float, text: str) -> Markup:
    return Markup(
        '<line class="grid" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        '<text x="{before}" y="{base:.1f}" text-anchor="end">{text}</text>'
    ).format(left=LEFT, right=WIDTH - RIGHT, y=y, before=LEFT - 6, base=y + 3.5, text=escape(text))


def _step_label(x: float, step: float) -> Markup:
    anchor = "start" if x < WIDTH / 3 else "end" if x > WIDTH * 2 / 3 else "middle"
    return Markup('<text x="{:.1f}" y="{}" text-anchor="{}">{}</text>').format(
        x, HEIGHT - 6, anchor, round(step)
    )
