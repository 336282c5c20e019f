"""Rows of data files that cannot be used, and whether who reads them raises or lists them.

A plain call of a data set raises for its bad rows. Within `listing_bad_rows` they are listed instead, those
of files that a user's data set reads through one that ships among them: `rlaudio check` shows all of them,
and a recipe may drop them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from rlaudio.utils.messages import printable, shown
from rlaudio.utils.number_format import counted, thousands

MALFORMED = "malformed row"  # kind of a row whose fields are not those of the format
_OTHER_FORMAT = (
    "no row is in this format: name the one it is in (as mmau=PATH or use: mmau; rlaudio list data has all), "
    "or read it by a few lines of Python, see docs/data.md (A format of your own)"
)
EXAMPLES = 5  # bad rows that an error shows
_MOST_OF_ID = 120  # characters in a message

_listed: ContextVar[list[BadRow] | None] = ContextVar("bad rows", default=None)


@dataclass(frozen=True)
class BadRow:
    """One row that cannot be used, and one reason."""

    kind: str  # MALFORMED, "answer not among the choices", "missing audio", ...
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


def any_listed() -> bool:
    """Whether bad rows were listed in this context already."""
    return bool(_listed.get())


def refuse_or_list(rows: Sequence[BadRow], name: str, *, any_good: bool = True) -> None:
    """Raise ValueError with the number of rows and the first few; within `listing_bad_rows` list them.

    Where not `any_good` row stands beside them the file may be of another format, and the error says so.
    """
    listed = _listed.get()
    if listed is not None:
        listed.extend(rows)
    elif rows:
        number = counted(len(rows), "bad row")
        other = other_format(rows, any_good=any_good)
        raise ValueError(f"{name}: {number}; fix or remove them{other}:{examples(rows)}")


def other_format(rows: Iterable[BadRow], *, any_good: bool) -> str:
    """What to do with a file in which no row has the format's fields, behind a message; else nothing."""
    return "" if any_good or any(row.kind != MALFORMED for row in rows) else f"; {_OTHER_FORMAT}"


def examples(rows: Sequence[BadRow]) -> str:
    """The first few of the rows, each on a line of its own, and how many more there are."""
    lines = [str(row) for row in rows[:EXAMPLES]]
    if len(rows) > EXAMPLES:
        lines.append(f"and {thousands(len(rows) - EXAMPLES)} more")
    return "".join(f"\n  {line}" for line in lines)


def shown_id(id: object) -> str:
    """An id as it is, or as `shown` where it would spoil a message."""
    plain = isinstance(id, str) and len(id) <= _MOST_OF_ID and id.isprintable()
    return str(id) if plain else shown(id, _MOST_OF_ID)
