"""Tables in plain text for the terminal, no wider than it is."""

from __future__ import annotations

import textwrap
from collections.abc import Hashable, Iterable, Sequence

WIDTH = 100  # characters
_GAP = "  "


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, apart: int | None = None) -> str:
    """Columns padded to equal width, the first one flush left and the others flush right.

    Columns that do not fit beside the others stand in further tables below, each with the first column again;
    where not all fit, those from number `apart` on do so in any case.
    """
    lines = [tuple(header), *map(tuple, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n\n".join(
        "\n".join(
            _line([cells[column] for column in block], [widths[column] for column in block])
            for cells in lines
        )
        for block in _blocks(widths, apart)
    )


def shown_once(lines: Iterable[tuple[Hashable, Sequence[str]]]) -> tuple[list[Sequence[str]], list[str]]:
    """Of rows, given with whom they are about, the first of those that say the same about the same.

    Then lines that name the titles, which are first cells, of these rows; none where all differ.
    """
    about: dict[Hashable, list[Sequence[str]]] = {}
    for whom, row in lines:
        about.setdefault((whom, *row[1:]), []).append(row)
    same = [" = ".join(row[0] for row in rows) for rows in about.values() if len(rows) > 1]
    note = f"Equal lines, shown once: {'; '.join(same)}."
    notes = textwrap.wrap(note, WIDTH, break_on_hyphens=False) if same else []
    return [rows[0] for rows in about.values()], notes


def _blocks(widths: Sequence[int], apart: int | None) -> list[list[int]]:
    """The columns of each table, the first column in all of them."""
    if _width(widths) <= WIDTH:
        return [[*range(len(widths))]]
    blocks = [[0]]
    for column in range(1, len(widths)):
        wider = _width([widths[other] for other in (*blocks[-1], column)])
        if len(blocks[-1]) > 1 and (column == apart or wider > WIDTH):
            blocks.append([0])
        blocks[-1].append(column)
    return blocks


def _width(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = [
        cell.rjust(width) if number else cell.ljust(width)
        for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return _GAP.join([first, *others]).rstrip()
