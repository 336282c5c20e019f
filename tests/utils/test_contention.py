"""A busy machine is told of, once, with what makes it slow."""

import logging

import pytest

from rlaudio.utils.contention import SECONDS_BETWEEN_LOOKS, Watch, reasons_of_slowness

IDLE = {"cores": 2, "load": 2.0, "usable": 2, "threads": 2, "swapped_gb": 0.0, "held_gb": 1.0}


def test_a_run_that_has_its_machine_for_itself_has_no_reason_to_be_slow():
    assert reasons_of_slowness(**IDLE) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"load": 3.0}, "the load average is 3.0 on 2 cores"),
        ({"threads": 3}, "3 threads share 2 cores; set OMP_NUM_THREADS=2"),
        ({"swapped_gb": 0.5}, "0.5 GiB of 1.5 are swapped out"),
    ],
)
def test_each_reason_is_told_with_its_numbers(changed, said):
    (reason,) = reasons_of_slowness(**IDLE | changed)
    assert reason.startswith(said)


def warnings_of(watch: Watch, items: int, caplog) -> int:
    with caplog.at_level(logging.WARNING):
        assert list(watch.over(range(items))) == list(range(items))
    return len(caplog.records)


def test_it_is_told_once_over_all_loops_of_a_process(caplog):
    ticks = iter(range(0, 100_000, int(SECONDS_BETWEEN_LOOKS)))
    watch = Watch(find=lambda: ["others compute here"], seconds=lambda: next(ticks))
    assert warnings_of(watch, 5, caplog) == warnings_of(watch, 5, caplog) == 1


def test_there_is_no_look_before_its_time(caplog):
    assert warnings_of(Watch(find=lambda: ["busy"], seconds=lambda: 1.0), 9, caplog) == 0
