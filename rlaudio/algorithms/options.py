"""Options of algorithms checked where they enter, with one wording for all."""

from __future__ import annotations


def check_range(option: str, value: float | None, low: float, high: float | None = None) -> None:
    """Raise ValueError for a value outside [low, high]; None is an option that was not given."""
    if value is None or (low <= value and (high is None or value <= high)):
        return
    expected = f"at least {low:g}" if high is None else f"{low:g} to {high:g}"
    raise ValueError(f"algorithm.{option} is {value:g}; expected {expected}; change it in the recipe")
