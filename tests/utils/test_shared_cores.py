"""The number of threads follows what other processes leave of the cores, on made-up times."""

import logging

import pytest

from rlaudio.utils.shared_cores import CoreTimes, SharedCores, core_times


class Machine:
    """Four cores, of which others use `others` and the process `this_process`, as time goes by."""

    def __init__(self):
        self.now = CoreTimes(100.0, 50.0, 7.0)
        self.set = []
        self.cores = SharedCores(times=lambda: self.now, set_threads=self.set.append, cores=4)

    def pass_time(self, others, this_process=1.0, seconds=3.0):
        clock, everyone, this = self.now
        self.now = CoreTimes(
            clock + seconds, everyone + seconds * (others + this_process), this + seconds * this_process
        )
        self.cores.look()


@pytest.fixture
def machine():
    return Machine()


@pytest.mark.parametrize(
    ("others", "threads"), [(0.0, 4), (0.4, 4), (0.9, 3), (2.0, 2), (3.0, 1), (4.0, 1), (9.0, 1)]
)
def test_there_is_a_thread_for_each_core_that_is_left(machine, others, threads):
    machine.cores.begin(4)
    machine.pass_time(others)
    assert machine.set[-1] == threads


def test_threads_come_back_when_the_others_end_and_each_change_is_told(machine, caplog):
    machine.cores.begin(2)
    with caplog.at_level(logging.INFO):
        for others in (0.0, 3.0, 3.0, 1.0, 0.0):
            machine.pass_time(others)
    assert machine.set == [2, 1, 2]
    assert [record.getMessage() for record in caplog.records] == [
        "computing with 1 thread of 2 from here on: other processes use 3.0 of 4 cores",
        "computing with 2 threads of 2 from here on: other processes use 1.0 of 4 cores",
    ]


def test_looks_are_some_time_apart(machine):
    machine.cores.begin(4)
    machine.pass_time(others=4.0, seconds=0.5)
    assert machine.set == [4]
    machine.pass_time(others=4.0, seconds=3.0)
    assert machine.set == [4, 1]


def test_one_thread_or_none_asked_for_stays_as_it_is(machine):
    machine.pass_time(others=0.0)
    assert machine.set == []
    machine.cores.begin(1)
    machine.pass_time(others=0.0)
    assert machine.set == [1]


def test_a_kernel_that_tells_nothing_changes_nothing(machine):
    machine.cores.begin(4)
    machine.now = None
    machine.cores.look()
    assert machine.set == [4]


def test_a_look_follows_every_item(machine):
    machine.cores.begin(4)
    looks = []
    machine.cores.look = lambda: looks.append(None)
    assert list(machine.cores.over("abc")) == ["a", "b", "c"] and len(looks) == 3


def test_the_times_of_this_machine_grow_with_work():
    before = core_times()
    sum(range(2_000_000))
    after = core_times()
    assert after.clock > before.clock and after.this_process > before.this_process
    assert after.everyone >= before.everyone
