"""Processes with unequal numbers of micro-batches compute equally many, in equally many chunks."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rlaudio.training.distributed import MicroBatch, equal_micro_batches
from rlaudio.training.packing import Branch, PackedRow
from rlaudio.utils.processes import ALONE, Processes
from tests.factories import make_prompt

CHUNK = 2  # tokens


@dataclass(frozen=True, kw_only=True)
class Threads(Processes):
    """Processes that are threads of this one; they meet at a barrier, which breaks where one stays away."""

    barrier: threading.Barrier
    board: list[Any]

    def gather(self, value: Any) -> list[Any]:
        self.board[self.rank] = value
        self.barrier.wait()
        values = list(self.board)
        self.barrier.wait()
        return values


def together(*work: Callable[[Processes], list[Any]]) -> list[list[Any]]:
    """What each of the processes does, every one in a thread of its own."""
    size = len(work)
    barrier, board = threading.Barrier(size, timeout=300), [None] * size
    with ThreadPoolExecutor(size) as pool:
        futures = [
            pool.submit(task, Threads(rank, size, barrier=barrier, board=board))
            for rank, task in enumerate(work)
        ]
        return [future.result() for future in futures]


@settings(max_examples=30, deadline=None)
@given(items=st.lists(st.integers(), max_size=9), size=st.integers(1, 4))
def test_what_is_shared_out_comes_back_in_its_order(items, size):
    back = together(*[lambda processes: processes.unshare(processes.share(items))] * size)
    assert back == [items] * size


def having(
    micro_batches: Sequence[list[PackedRow]], *more: PackedRow, chunk: int = CHUNK
) -> Callable[[Processes], list[MicroBatch]]:
    """A process with these micro-batches; `more` are rows of its step that are in none of them."""
    rows = [*(row for some in micro_batches for row in some), *more]
    return lambda processes: equal_micro_batches(processes, rows, iter(micro_batches), chunk=chunk)


def row(*completions: int, weight: float = 0.5) -> PackedRow:
    """A row whose completions have so many tokens."""
    return PackedRow(
        make_prompt(),
        tuple(Branch(np.arange(n), np.zeros(n), np.ones(n), weight) for n in completions),
    )


def weight_of(micro: MicroBatch) -> float:
    return sum(branch.weight * len(branch.token_ids) for row in micro.rows for branch in row.branches)


def test_alone_a_process_computes_its_own_micro_batches():
    first, second, third = row(3, 2), row(1), row(4)
    actual = having([[first, second], [third]])(ALONE)
    assert actual == [MicroBatch([first, second], 3, dummy=False), MicroBatch([third], 2, dummy=False)]


def test_alone_a_process_without_rows_computes_nothing():
    assert having([])(ALONE) == []


def test_processes_with_equally_many_rows_compute_no_dummy():
    for actual in together(having([[row(2)], [row(2)]]), having([[row(2)], [row(2)]])):
        assert [micro.dummy for micro in actual] == [False, False]


def test_a_process_with_fewer_computes_the_shortest_row_of_its_step_as_a_dummy():
    shortest, local = row(1), row(5)
    _, actual = together(having([[row(2)], [row(2)], [row(2)]]), having([[local]], row(3), shortest))
    assert [micro.dummy for micro in actual] == [False, True, True]
    assert actual[0].rows == [local]
    for micro in actual[1:]:
        [kept] = micro.rows
        assert kept.prompt is shortest.prompt and [len(b.token_ids) for b in kept.branches] == [1]


def test_a_dummy_weighs_nothing_and_its_row_stays_as_it_is_in_its_place():
    local = row(2, 3)
    _, actual = together(having([[row(2)], [row(2)]]), having([[local]]))
    assert [weight_of(micro) for micro in actual] == [2.5, 0.0]


def test_a_process_without_rows_computes_one_of_another():
    theirs = row(1, 4)
    empty, actual, also_empty = together(having([]), having([[theirs]]), having([]))
    assert [micro.dummy for micro in actual] == [False]
    for of_none in (empty, also_empty):
        [micro] = of_none
        assert micro.dummy and weight_of(micro) == 0.0
        assert [len(branch.token_ids) for branch in micro.rows[0].branches] == [1, 4]


def test_chunks_are_as_many_as_in_the_process_with_the_most():
    first, second = together(having([[row(3)], [row(7)]]), having([[row(5)], [row(1)]]))
    assert [micro.chunks for micro in first] == [micro.chunks for micro in second] == [3, 4]


def test_chunks_of_a_dummy_count_too():
    first, second = together(having([[row(3)], [row(3)]]), having([[row(9)]]))
    assert [micro.chunks for micro in first] == [micro.chunks for micro in second] == [5, 5]


def test_where_no_process_has_a_micro_batch_none_computes_anything():
    assert together(having([], row(3)), having([])) == [[], []]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=3), max_size=4), min_size=1, max_size=3
    )
)
def test_all_compute_as_often_and_no_weight_is_lost_or_added(shares):
    shares = [[[row(length) for length in lengths] for lengths in share] for share in shares]
    actual = together(*(having(share) for share in shares))
    assert len({tuple(micro.chunks for micro in of_one) for of_one in actual}) == 1
    for share, of_one in zip(shares, actual, strict=True):
        assert len(of_one) == max(map(len, shares))
        assert [micro.rows for micro in of_one if not micro.dummy] == share
        assert all(weight_of(micro) == 0.0 for micro in of_one[len(share) :])
