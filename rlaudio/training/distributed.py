"""Keeps processes in step that have unequal numbers of micro-batches.

Sharded parameters are gathered by all processes together, so all must compute the same layers as often. A
process with fewer micro-batches than another computes rows of no weight for company, and the log-probs of a
micro-batch are computed in as many chunks everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from rlaudio.training.packing import Row
from rlaudio.utils.processes import Processes


@dataclass(frozen=True)
class Micro:
    """A micro-batch as this process computes it."""

    rows: list[Row]
    chunks: int  # chunks of its log-probs, as many as in the process with the most
    company: bool  # it weighs nothing


def in_step(
    processes: Processes, rows: Sequence[Row], micro_batches: Iterable[list[Row]], *, chunk: int
) -> list[Micro]:
    """This process's own micro-batches, then others of no weight: as many as the process with the most.

    For company a process computes the shortest of its `rows`, or another's where it has none. A chunk holds
    at most `chunk` tokens of completions. All processes must call.
    """
    own = list(micro_batches)
    spare = sorted(rows, key=lambda row: row.length)[:1]
    shares = processes.gather(([_chunks(some, chunk) for some in own], _chunks(spare, chunk)))
    in_company = max(chunks for _, chunks in shares)  # of the row that is computed for company
    counts = zip_longest(*(counts for counts, _ in shares), fillvalue=in_company)
    chunks = [max(some) for some in counts]
    if chunks and not all(chunks for _, chunks in shares):
        offered = processes.gather(spare)
        spare = spare or next(filter(None, offered))
    company = [[_weightless(row)] for row in spare] * (len(chunks) - len(own))
    return [
        Micro(some, count, company=number >= len(own))
        for number, (some, count) in enumerate(zip([*own, *company], chunks, strict=True))
    ]


def _chunks(rows: Sequence[Row], chunk: int) -> int:
    """Chunks in which the log-probs of a micro-batch are computed."""
    tokens = sum(len(branch.token_ids) for row in rows for branch in row.branches)
    return math.ceil(tokens / chunk)


def _weightless(row: Row) -> Row:
    """The row as it is computed where a process only keeps the others company."""
    return replace(row, branches=tuple(replace(branch, weight=0.0) for branch in row.branches))
