"""Curves as data: on axes that hold them, thinned out without losing their means."""

import pytest

from rlaudio.viewer.chart_data import PlottedCurve, chart_data, thin_out


def chart(*curves, x=(1, 2, 3), is_fraction=False):
    return chart_data(curves, x, axis="step", is_fraction=is_fraction, group="rl")


def test_the_axis_holds_curves_and_bands():
    curve = PlottedCurve("a", [1.0, None, 2.0], [0.5, None, 1.0], [1.5, None, 4.0])
    assert chart(curve)["bounds"] == (0.0, 4.0)


@pytest.mark.parametrize(
    ("highest", "top"), [(0.0, 1.0), (0.004, 0.01), (0.03, 0.05), (0.3, 1.0), (1.2, 1.2)]
)
def test_a_fraction_is_drawn_from_zero_to_the_next_round_top(highest, top):
    assert chart(PlottedCurve("a", [0.0, highest, 0.0]), is_fraction=True)["bounds"] == (0.0, top)


def test_curves_have_colours_in_their_order_and_what_is_plain_none():
    shown = chart(PlottedCurve("a", [1, 2, 3]), PlottedCurve("b", [1, 2, 3], is_plain=True))
    assert [series["colour"] for series in shown["series"]] == [0, -1]


def test_a_long_curve_keeps_its_mean_and_its_last_step():
    steps = list(range(1, 5_001))
    shown = chart(PlottedCurve("a", [float(step) for step in steps]), x=steps)
    values = shown["series"][0]["y"]
    assert len(shown["x"]) == len(values) == 1_000 and shown["x"][-1] == 5_000
    assert sum(values) / len(values) == pytest.approx(2_500.5)


def test_gaps_have_no_part_in_means():
    assert thin_out([1.0, None, 3.0, None, None, None], most=2) == [2.0, None]
    assert thin_out([]) == []
