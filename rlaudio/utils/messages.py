"""Values of other people's code in messages: shortened, on any terminal, whatever the values are."""

from __future__ import annotations

from typing import Any

MOST = 300  # characters of a value in a message


def shown(value: Any, most: int = MOST) -> str:
    """The value as Python writes it, shortened; never raises."""
    try:
        return shortened(printable(repr(value)), most)
    except Exception as error:  # noqa: BLE001  a __repr__ may raise anything, as a number of 5,000 digits does
        return f"<a value of type {type(value).__name__} whose repr raises {type(error).__name__}>"


def described(error: BaseException, most: int = 1000) -> str:
    """`KeyError: 'cat'`: the type of an exception and what it says; never raises."""
    try:
        text = str(error)
    except Exception as failure:  # noqa: BLE001  a __str__ may raise anything
        text = f"<its text raises {type(failure).__name__}>"
    return ": ".join(filter(None, [type(error).__name__, shortened(printable(text), most)]))


def printable(text: str) -> str:
    """The text with escapes for what steers a terminal or has no UTF-8; line breaks stay."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def shortened(text: str, most: int) -> str:
    """The text, or its beginning and its length."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} characters)"
