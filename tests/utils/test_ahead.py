"""What a thread makes beforehand is taken once it is done, by its name alone, and fails where it is taken."""

import threading

import pytest
import torch

from rlaudio.utils.ahead import Ahead, one_ahead


def by_thread() -> str:
    return threading.current_thread().name


def test_what_was_begun_is_taken_by_its_name_and_anything_else_made_at_once():
    ahead = Ahead[str]()
    assert ahead.take("first", by_thread) == threading.current_thread().name
    ahead.begin("second", by_thread)
    assert ahead.take("third", by_thread) == threading.current_thread().name
    assert [ahead.take("second", pytest.fail) for _ in range(2)] == ["ahead_0"] * 2


def test_a_thread_that_works_ahead_computes_alone_and_the_others_as_before():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        ahead = Ahead[int]()
        ahead.begin("threads", torch.get_num_threads)
        assert ahead.take("threads", pytest.fail) == 1
        assert list(one_ahead([torch.get_num_threads] * 2)) == [1, 1]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_what_was_begun_before_is_forgotten():
    ahead = Ahead[int]()
    ahead.begin("a", lambda: 1)
    ahead.begin("b", lambda: 2)
    assert (ahead.take("a", lambda: 3), ahead.take("b", pytest.fail)) == (3, 2)


def test_an_error_is_raised_where_the_result_is_taken():
    ahead = Ahead[float]()
    ahead.begin("a", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ahead.take("a", float)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_all_are_made_in_order(count):
    assert list(one_ahead([lambda number=number: number for number in range(count)])) == list(range(count))


def test_one_is_made_while_the_one_before_is_used():
    second_begins = threading.Event()
    results = one_ahead([lambda: 1, second_begins.set])
    assert next(results) == 1
    assert second_begins.wait(timeout=30)


def test_an_error_comes_after_what_was_made_before_it():
    results = one_ahead([lambda: 1, lambda: 1 / 0])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
