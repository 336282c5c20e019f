"""Values, names and errors in messages: shortened, on any terminal, whatever they are."""

from __future__ import annotations

import re
import reprlib
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MOST = 300  # characters of a value in a message
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")  # tab and line ends are text


def shown(value: Any, most: int = MOST) -> str:
    """The value as Python writes it, shortened; never raises."""
    try:
        return printable(shortened(_REPR.repr(value), most))
    except Exception as error:  # noqa: BLE001  a __repr__ may raise anything, as a number of 5,000 digits does
        return f"<a value of type {type(value).__name__} whose repr raises {type(error).__name__}>"


def described(error: BaseException, most: int = 1000) -> str:
    """`KeyError: 'cat'`: the type of an exception and what it says; never raises."""
    try:
        text = str(error)
    except Exception as failure:  # noqa: BLE001  a __str__ may raise anything
        text = f"<its text raises {type(failure).__name__}>"
    return ": ".join(filter(None, [type(error).__name__, printable(shortened(text, most))]))


def line_in(error: BaseException, path: str | Path) -> int | None:
    """The line of the file at which it raised, or called what raised; None where it is not involved."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno
    frames = [*traceback.walk_tb(error.__traceback__)]
    if isinstance(error.__cause__, StopIteration):  # in a generator, whose own line Python then drops
        frames += traceback.walk_tb(error.__cause__.__traceback__)
    return next((line for f, line in reversed(frames) if f.f_code.co_filename == str(path)), None)


def innermost(error: BaseException) -> str:
    """File and line at which an exception was raised; empty where Python itself raised it."""
    *_, (frame, line) = [(None, 0), *traceback.walk_tb(error.__traceback__)]
    file = frame.f_code.co_filename if frame else "<"
    return "" if file.startswith("<") else f"{file}:{line}"


def dotted(keys: Iterable[object]) -> str:
    """Keys within each other, such as `optimizer.lr`."""
    return ".".join(_on_one_line(str(key)) for key in keys)


def with_article(noun: str) -> str:
    """`an algorithm`, `a reward`: by the noun's first letter."""
    return f"{'an' if noun[:1].lower() in set('aeiou') else 'a'} {noun}"


def printable(text: str) -> str:
    """The text with escapes for what steers a terminal or has no UTF-8; line breaks stay."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def shortened(text: str, most: int) -> str:
    """The text, or its beginning and its length."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"


def _on_one_line(text: str) -> str:
    line = text if text.isprintable() else repr(text)[1:-1]
    return line if len(line) <= 100 else f"{line[:60]}..."


class _FirstEntries(reprlib.Repr):
    """The beginnings of lists and maps, and not deep in them: a whole file would take seconds to write."""

    def repr_instance(self, x: Any, level: int) -> str:
        return repr(x)


_REPR = _FirstEntries()
_REPR.maxlist = _REPR.maxtuple = _REPR.maxdict = _REPR.maxset = 12
_REPR.maxstring = _REPR.maxlong = sys.maxsize  # cut by `shortened`
