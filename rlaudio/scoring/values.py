"""What a reward returned: for every sample a finite number, or no value and why."""

from __future__ import annotations

import inspect
import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rlaudio.runs.shapes import MOST
from rlaudio.utils.messages import described, shown


@dataclass(frozen=True)
class NoValue:
    """Why a reward gave no value for a sample."""

    reason: str
    cause: BaseException | None = None
    stops: bool = False  # the run, however many failures it allows


def value_of(returned: Any) -> float | NoValue:
    """The value of one completion."""
    try:
        return _number(returned)
    except Exception as error:  # noqa: BLE001  an object of a user's library may raise anything
        return NoValue(f"returned {shown(returned)}, which cannot be read: {described(error)}")


def within_reach(value: float, weight: float) -> float | NoValue:
    """The value, unless it or its part of the total is too large to be added up and read back."""
    if max(abs(value), abs(value * weight)) <= MOST:
        return value
    return NoValue(f"returned {value:g}, whose weight is {weight:g}; expected both together within {MOST:g}")


def values_of_group(returned: Any, samples: int) -> list[float | NoValue]:
    """The values of all completions of a group."""
    try:
        values = _plain(returned)
        fits = isinstance(values, Sequence) and not isinstance(values, str | bytes | bytearray)
        if fits and len(values) == samples:
            return [value_of(value) for value in values]
    except Exception as error:  # noqa: BLE001  as above
        return [NoValue(f"returned {shown(returned)}, which cannot be read: {described(error)}")] * samples
    expected = f"expected {samples} numbers, one per completion of the group{_hint(returned)}"
    return [NoValue(f"returned {shown(returned)}; {expected}")] * samples


def _number(returned: Any) -> float | NoValue:
    value = _plain(returned)
    if isinstance(value, numbers.Real | Decimal):
        try:
            number = float(value)
        except (OverflowError, ValueError):  # 10**400, a signalling NaN of decimal
            number = math.nan
        if math.isfinite(number):
            return number
    return NoValue(f"returned {shown(returned)}; expected a finite number{_hint(returned)}")


def _plain(returned: Any) -> Any:
    """Arrays and tensors of any library and device as a Python number or a list of them."""
    to_list = getattr(returned, "tolist", None)
    return to_list() if callable(to_list) else returned


def _hint(returned: Any) -> str:
    """What to do about a function that was called and has not run."""
    if inspect.iscoroutine(returned):
        returned.close()  # else Python warns of it later, without saying where
    if inspect.isawaitable(returned):
        return ": await it"
    if inspect.isgenerator(returned) or inspect.isasyncgen(returned):
        return ": return it instead of yield"
    return ""
