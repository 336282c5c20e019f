"""Computations side by side: their order, their threads, what an error leaves."""

import threading

import pytest
import torch

from rlaudio.utils import lanes
from rlaudio.utils.lanes import LANES, in_turn, side_by_side
from rlaudio.utils.shared_cores import CORES


@pytest.fixture
def two_threads(monkeypatch):
    """A recipe that may compute with two threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(CORES, "most", LANES)
    yield
    torch.set_num_threads(before)


def test_as_many_compute_at_a_time_as_there_are_lanes_and_results_keep_their_order(two_threads):
    together = threading.Barrier(LANES, timeout=60)

    def compute(item: int) -> tuple[int, int]:
        together.wait()  # ends only if another lane computes too
        return item, torch.get_num_threads()

    assert list(side_by_side(compute, range(3 * LANES))) == [(item, 1) for item in range(3 * LANES)]


@pytest.mark.parametrize("most", [1, LANES])
def test_one_item_and_one_thread_are_computed_by_the_caller(monkeypatch, most):
    monkeypatch.setattr(CORES, "most", most)
    monkeypatch.setattr(torch, "get_num_threads", lambda: most)
    items = range(1 if most == LANES else 3)
    assert set(side_by_side(lambda _: threading.current_thread(), items)) == {threading.current_thread()}


@pytest.mark.parametrize("records", [False, True])
def test_lanes_record_gradients_as_the_caller_does(two_threads, records):
    weight = torch.ones(2, requires_grad=True)
    with torch.set_grad_enabled(records):
        doubled = list(side_by_side(lambda factor: weight * factor, [1, 2, 3]))
    assert [result.requires_grad for result in doubled] == [records] * 3


def test_no_lane_computes_any_more_when_an_error_is_raised(two_threads, monkeypatch):
    begun, raising = threading.Event(), threading.Event()
    computing = []

    def compute(item: int) -> None:
        if item == 0:
            assert begun.wait(60)
            raising.set()
            raise FloatingPointError("item 0")
        computing.append(item)
        begun.set()
        assert raising.wait(60)
        torch.ones(2_000, 2_000) @ torch.ones(2_000, 2_000)  # longer than an exception takes
        computing.remove(item)

    with pytest.raises(FloatingPointError, match="item 0"):
        list(side_by_side(compute, range(4)))
    assert not computing


def test_turns_are_taken_in_the_order_of_the_items(two_threads):
    later_waits = threading.Event()
    taken = []

    def compute(item: int) -> None:
        if item % 2 == 0:  # the lane beside it is the first to ask
            assert later_waits.wait(60)
            later_waits.clear()
        else:
            later_waits.set()
        with in_turn():
            taken.append(item)

    list(side_by_side(compute, range(4 * LANES)))
    assert taken == list(range(4 * LANES))


@pytest.mark.parametrize("without_turn", ["none", "failed"])
def test_an_item_without_a_turn_holds_no_other_one_up(two_threads, without_turn):
    def compute(item: int) -> int:
        if item == 0:
            if without_turn == "failed":
                raise FloatingPointError("item 0")
            return item
        with in_turn():
            return item

    if without_turn == "failed":
        with pytest.raises(FloatingPointError, match="item 0"):
            list(side_by_side(compute, range(4)))
    else:
        assert list(side_by_side(compute, range(4))) == [0, 1, 2, 3]


def test_outside_of_lanes_every_turn_comes_at_once():
    with in_turn(), in_turn():
        pass


def test_each_lane_has_its_share_of_the_threads(two_threads, monkeypatch):
    monkeypatch.setattr(CORES, "most", 2 * LANES)
    monkeypatch.setattr(lanes, "_lanes", lanes._lanes.__wrapped__)  # threads that end with the test
    assert set(side_by_side(lambda _: torch.get_num_threads(), range(4))) == {2}
