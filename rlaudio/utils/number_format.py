"""Numbers as text, for pages and the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping

NO_VALUE = "\N{EN DASH}"
TIMES = "\N{MULTIPLICATION SIGN}"


def percent(fraction: float | None) -> str:
    """`0.3849` -> `38.5`; a dash where there is none."""
    return NO_VALUE if fraction is None else _minus(f"{100 * fraction:.1f}")


def signed(fraction: float | None) -> str:
    """`0.3849` -> `+38.5`; what rounds to zero has no sign."""
    if fraction is None:
        return NO_VALUE
    text = f"{100 * fraction:+.1f}"
    return "0.0" if text in {"+0.0", "-0.0"} else _minus(text)


def percent_mark(fraction: float) -> str:
    """`0.38` -> `38 %`."""
    return f"{100 * fraction:.3g} %"


def short_number(value: float | None) -> str:
    """Three significant digits, without an exponent where none is needed."""
    if value is None:
        return NO_VALUE
    text = thousands(round(value)) if 1000 <= abs(value) < 1e6 else f"{value:.3g}".replace("e-0", "e-")
    return _minus(text)


def duration(seconds: float) -> str:
    """`143.2` -> `2 min 23 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def p_value(value: float | None) -> str:
    """`0.0312` -> `0.031`, and nothing below a thousandth."""
    if value is None:
        return NO_VALUE
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def thousands(count: int) -> str:
    """`571118` -> `571,118`, as all text and pages write it."""
    return f"{count:,}"


def of_all(count: int, total: int) -> str:
    """`12, 3000` -> `12 of 3,000`."""
    return f"{thousands(count)} of {thousands(total)}"


def counted(count: int, what: str) -> str:
    """`1, "step"` -> `1 step`; `60, "step"` -> `60 steps`."""
    return f"{thousands(count)} {what}{'' if count == 1 else 's'}"


def group_title(grouping: str, name: str) -> str:
    """The heading of a group of questions."""
    return "All questions" if grouping == "all" else name[:1].upper() + name[1:]


def _minus(text: str) -> str:
    return text.replace("-", "\u2212")


FILTERS: Mapping[str, Callable[..., str]] = {
    "percent": percent,
    "signed": signed,
    "short": short_number,
    "duration": duration,
    "p_value": p_value,
    "thousands": thousands,
    "counted": counted,
}
