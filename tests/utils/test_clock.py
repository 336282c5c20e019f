"""The clock of a step's parts, on a clock that the test sets."""

import pytest

from rlaudio.utils import clock as module
from rlaudio.utils.clock import Clock


@pytest.fixture
def now(monkeypatch):
    """The time; `now[0]` sets it."""
    time = [100.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: time[0])
    return time


def test_parts_add_up_and_an_inner_one_counts_for_itself_alone(now):
    clock = Clock()
    for _ in range(2):
        with clock.part("rollout"):
            now[0] += 3
            with clock.part("reward"):
                now[0] += 1
            now[0] += 0.5
        now[0] += 7  # of no part
    assert clock.take() == {"rollout": 7.0, "reward": 2.0}
    assert clock.take() == {}


def test_a_part_that_raises_is_counted_and_ends(now):
    clock = Clock()
    with pytest.raises(KeyError), clock.part("update"):
        now[0] += 2
        raise KeyError
    now[0] += 5
    assert clock.take() == {"update": 2.0}


def test_what_is_open_goes_on_after_a_reading(now):
    clock = Clock()
    with clock.part("rollout"):
        now[0] += 2
        assert clock.take() == {"rollout": 2.0}
        now[0] += 1
    assert clock.take() == {"rollout": 1.0}
