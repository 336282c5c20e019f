"""Names that a recipe gives: each becomes the name of a file or folder, or a part of a metric's name."""

from __future__ import annotations

import re

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
