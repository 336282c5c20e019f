"""Names that users give: what one may be, since it becomes a file or metric; which known one is meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from rlaudio.utils.messages import shown

MAX_BYTES = 150
_NAME = re.compile(r"\w[\w.=+,-]*")


def check_name(name: str, *, max_bytes: int = MAX_BYTES) -> str:
    """The name, if it is one. Raises ValueError for a path, for other signs, and for what is too long."""
    if _NAME.fullmatch(name) and len(name.encode()) <= max_bytes:
        return name
    raise ValueError(
        "expected a name, not a path: letters, digits and _.=+,- after a letter, digit or _, at most "
        f"{max_bytes} bytes; found {shown(name)}"
    )


def plain_name(text: str) -> str:
    """A name made of any text: other signs become a hyphen, too much is cut."""
    name = re.sub(r"[^\w.=+,-]+", "-", text).lstrip(".=+,-").rstrip("-")
    return name.encode()[:MAX_BYTES].decode(errors="ignore") or "unnamed"


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """A message such as `unknown option 'kk'; did you mean 'kl'? Known: clip, kl`."""
    names = sorted(known)
    close = closest(name, names)
    hint = f"; did you mean {close!r}?" if close else "."
    return f"unknown {what} {shown(name)}{hint} Known: {', '.join(names) or 'none'}"


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a misspelt one probably means; None where none is close."""
    close = difflib.get_close_matches(name[:100], sorted(known))
    return min(close, key=lambda near: sorted(near) != sorted(name), default=None)  # swapped letters first
