"""Equal numbers of micro-batches in every process.

Sharded parameters are gathered by all processes together, so all must compute the same layers equally often.
A process with fewer micro-batches than another computes dummy ones, whose rows have weight 0, and the
log-probs of a micro-batch are computed in as many chunks everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from rlaudio.training.packing import PackedRow
from rlaudio.utils.processes import Processes


@dataclass(frozen=True)
class MicroBatch:
    """A micro-batch that this process computes."""

    rows: list[PackedRow]
    chunks: int  # chunks of its log-probs, the largest number over all processes
    dummy: bool  # its weight is 0


def equal_micro_batches(
    processes: Processes, rows: Sequence[PackedRow], micro_batches: Iterable[list[PackedRow]], *, chunk: int
) -> list[MicroBatch]:
    """This process's micro-batches, then dummy ones: as many as the process with the most has.

    As a dummy a process computes the shortest of its `rows`, or another's where it has none. A chunk holds
    at most `chunk` tokens of completions. All processes must call.
    """
    local = list(micro_batches)
    spare = sorted(rows, key=lambda row: row.length)[:1]
    shares = processes.gather(([_chunks(some, chunk) for some in local], _chunks(spare, chunk)))
    of_dummy = max(chunks for _, chunks in shares)  # of the row that is computed as a dummy
    counts = zip_longest(*(counts for counts, _ in shares), fillvalue=of_dummy)
    chunks = [max(some) for some in counts]
    if chunks and not all(chunks for _, chunks in shares):
        offered = processes.gather(spare)
        spare = spare or next(filter(None, offered))
    dummies = [[_weightless(row)] for row in spare] * (len(chunks) - len(local))
    return [
        MicroBatch(some, count, dummy=number >= len(local))
        for number, (some, count) in enumerate(zip([*local, *dummies], chunks, strict=True))
    ]


def _chunks(rows: Sequence[PackedRow], chunk: int) -> int:
    """Chunks in which the log-probs of a micro-batch are computed."""
    tokens = sum(len(branch.targets) for row in rows for branch in row.branches)
    return math.ceil(tokens / chunk)


def _weightless(row: PackedRow) -> PackedRow:
    """The row as a dummy: computed, with weight 0."""
    return replace(row, branches=tuple(replace(branch, weight=0.0) for branch in row.branches))
