"""Drawings of ranges on a scale."""

import re

import pytest

from rlaudio.utils.charts import Mark, axis_ticks, nice_ticks, range_axis, range_chart


def mark(value, kind="audio", hollow=False, title=""):
    return Mark(value, value - 0.1, value + 0.1, kind, hollow, title)


def drawn(*marks, **options):
    return range_chart(marks, **{"bounds": (0.0, 1.0), "reference": None} | options)


def test_a_value_stands_where_it_lies_between_the_bounds_and_one_outside_at_the_edge():
    across = re.findall(r'circle cx="([^"]+)"', drawn(mark(0.25), mark(-3, "b"), mark(7, "c")))
    assert across == ["25.00%", "0.00%", "100.00%"]
    assert re.search(r'x1="15\.00%" x2="35\.00%"', drawn(mark(0.25)))
    assert 'cx="50.00%"' in drawn(mark(0.0), bounds=(-2.0, 2.0))


def test_a_hollow_mark_lies_above_the_filled_one_and_a_path_leads_from_one_to_the_other():
    chart = drawn(mark(0.2, hollow=True), mark(0.6))
    hollow, filled = (int(y) for y in re.findall(r'cy="(\d+)"', chart))
    assert hollow < filled
    assert f'<line class="path audio" x1="20.00%" x2="60.00%" y1="{hollow}" y2="{filled}"/>' in chart
    assert "path" not in drawn(mark(0.2), mark(0.6, "silence"))


def test_kinds_have_a_rail_each_one_below_the_other():
    rails = re.findall(r'class="rail" .*?y1="(\d+)"', drawn(mark(0.1, "a"), mark(0.2, "b"), mark(0.3, "c")))
    assert [int(y) for y in rails] == sorted({int(y) for y in rails}) and len(rails) == 3


def test_reference_and_shade_are_drawn_where_they_are_given():
    assert "reference" not in drawn(mark(0.5)) and "shade" not in drawn(mark(0.5))
    assert 'class="reference" x1="25.00%"' in drawn(mark(0.5), reference=0.25)
    assert 'x="20.00%" width="80.00%"' in drawn(mark(0.5), shade=(0.2, 9.0))


def test_titles_are_escaped():
    assert "<title>&lt;b&gt;</title>" in drawn(mark(0.5, title="<b>"))


def test_the_axis_has_its_numbers_within_the_bounds():
    axis = range_axis((-0.1, 1.0), number=lambda tick: f"{tick:g}<")
    assert re.findall(r'x="([^"]+)".*?>([^<]+)</text>', axis)[0] == ("9.09%", "0&lt;")


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.5, 1]),
        (0, 4, [0, 1, 2, 3, 4]),
        (-3, 7, [-5, 0, 5, 10]),
        (0.02, 0.07, [0.02, 0.04, 0.06, 0.08]),
    ],
)
def test_ticks_are_round_and_reach_over_the_values(low, high, ticks):
    assert nice_ticks(low, high) == pytest.approx(ticks)


def test_a_constant_has_ticks_around_it_and_rounding_makes_none_below_0():
    assert min(nice_ticks(2.0, 2.0)) < 2.0 < max(nice_ticks(2.0, 2.0))
    assert axis_ticks([0.0, 1e-12]) == nice_ticks(0.0, 1.0)
    assert min(axis_ticks([-1e-6, 1.0])) == 0.0 > min(axis_ticks([-0.2, 1.0]))
