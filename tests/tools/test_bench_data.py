"""The data of the benchmark: as many rows and paths as asked, in AudioMCQ's layout, none of them bad."""

from __future__ import annotations

import pytest

from rlaudio.data.audiomcq import audiomcq
from tests.tool_scripts import load_tool

BENCH = load_tool("bench_data")


@pytest.mark.parametrize("rows", [1, 999])
def test_there_are_as_many_rows_as_asked_over_paths_in_proportion(tmp_path, rows):
    BENCH.make_data(tmp_path, rows)
    data = audiomcq(path=tmp_path)
    assert len(data) == rows
    assert len({q.clips[0] for q in data}) == pytest.approx(rows * 150_000 / 571_118, abs=5)


def test_every_step_from_the_files_to_the_first_batch_is_measured(tmp_path):
    BENCH.make_data(tmp_path, 200)
    parsed, opened = BENCH.parse(tmp_path), BENCH.open_and_use(tmp_path)
    assert set(parsed) == {"seconds"} and opened["rows"] == 200
    steps = {"open": 6.0, "audit": 2.0, "allocate": 1.0, "batch": 3.0}
    figures = BENCH.figures_of({"seconds": 2.0}, {**opened, **steps})
    values = {figure.name: figure.value for figure in figures}
    assert values["opening over json alone"] == 3.0
    assert values["audit, allocation, batch over json alone"] == 3.0


def test_numbers_of_rounds_are_told_by_their_median():
    assert BENCH.medians([{"s": 1.0}, {"s": 9.0}, {"s": 2.0}]) == {"s": 2.0}
