"""Rows of data files that cannot be used, and whether who reads them raises or lists them.

A plain call of a data set raises for its bad rows. Within `listing_bad_rows` they are listed instead, those
of files that a user's data set reads through one that ships among them: `rlaudio check` shows all of them,
and a recipe may drop them.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

EXAMPLES = 5  # bad rows that an error shows

_listed: ContextVar[list[BadRow] | None] = ContextVar("bad rows", default=None)


@dataclass(frozen=True)
class BadRow:
    """One row that cannot be used, and one reason."""

    kind: str  # "malformed row", "answer not among the choices", "missing audio", ...
    reason: str
    place: str = ""  # file and line; empty: not known
    id: str = ""  # of the question; empty: not known
    index: int | None = None  # position among the audited questions; None: no question came of the row

    def __str__(self) -> str:
        if not self.place:
            return f"{shown_id(self.id)}: {self.reason}"
        id = f" (id {shown_id(self.id)})" if self.id else ""
        return f"{printable(self.place)}: {self.reason}{id}"


@contextmanager
def listing_bad_rows() -> Iterator[list[BadRow]]:
    """A list of the bad rows that are found until the context ends, none of which raises."""
    rows: list[BadRow] = []
    token = _listed.set(rows)
    try:
        yield rows
    finally:
        _listed.reset(token)


def refuse_or_list(rows: Sequence[BadRow], name: str) -> None:
    """Raise ValueError with the number of rows and the first few; within `listing_bad_rows` list them."""
    listed = _listed.get()
    if listed is not None:
        listed.extend(rows)
    elif rows:
        number = "1 bad row" if len(rows) == 1 else f"{len(rows)} bad rows"
        raise ValueError(f"{name}: {number}; fix or remove them:{examples(rows)}")


def examples(rows: Sequence[BadRow]) -> str:
    """The first few of the rows, each on a line of its own, and how many more there are."""
    lines = [str(row) for row in rows[:EXAMPLES]]
    if len(rows) > EXAMPLES:
        lines.append(f"and {len(rows) - EXAMPLES} more")
    return "".join(f"\n  {line}" for line in lines)


def shown(value: object) -> str:
    """The value as Python writes it, cut where it is long, so that it fits in a message."""
    return printable(_short.repr(value))


def shown_id(id: object) -> str:
    """An id as it is, or as `shown` where it would spoil a message."""
    plain = isinstance(id, str) and len(id) <= _short.maxstring and id.isprintable()
    return str(id) if plain else shown(id)


def printable(text: str) -> str:
    """The text with surrogates, such as a file name that is not UTF-8 has, written as escapes."""
    return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half.group()):04x}", text)


_short = reprlib.Repr()
_short.maxstring = _short.maxother = 120
_short.maxlist = _short.maxtuple = _short.maxdict = 12
