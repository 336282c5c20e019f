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
    figures = {figure.name: figure.value for figure in BENCH.figures_of(parsed, opened)}
    assert figures["rows"] == 200
    assert figures["opening over json alone"] == pytest.approx(opened["open"] / parsed["seconds"])
    assert all(value > 0 for value in figures.values())


def test_numbers_of_rounds_are_told_by_their_median():
    assert BENCH.medians([{"s": 1.0}, {"s": 9.0}, {"s": 2.0}]) == {"s": 2.0}
