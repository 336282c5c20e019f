"""The page of arms that are made up."""

import re
from dataclasses import replace

from rlaudio.compare.compare_page import write_comparison_page
from rlaudio.compare.running import Failure
from tests.compare.made_up_arms import HALF, RIGHT, arm_of, without
from tests.report.test_page import data_of


def test_names_and_errors_from_elsewhere_are_escaped(made_up, tmp_path):
    results = made_up(failures=[Failure("a/seed-0", "<script>x</script>")], a=[RIGHT], b=[HALF])
    hostile = replace(results, name="<i>name</i>", base="<u>base</u>", note="<s>note</s>")
    page = write_comparison_page(hostile, ["a", "b"], tmp_path).read_text()
    for tag in ("<script>x", "<i>name", "<u>base", "<s>note"):
        assert tag not in page
    assert "&lt;script&gt;x" in page


def test_the_curves_of_all_arms_lie_over_each_other_in_bands_over_seeds(made_up, tmp_path):
    results = made_up(a=[RIGHT, HALF], b=[HALF, HALF])
    page = write_comparison_page(results, ["a", "b"], tmp_path).read_text()
    chart = data_of(page, "curves-data")["charts"][0]
    assert [series["name"] for series in chart["series"]] == ["a", "b"]
    assert [series["colour"] for series in chart["series"]] == [-1, 1]  # the baseline is grey
    assert all(series["low"] and series["high"] for series in chart["series"])
    assert (
        chart["axis"] == "completions" and len(re.findall(r'data-chart="\d"', page)) == 2
    )  # answers and length


def test_one_arm_or_several_have_the_highest_mean(made_up, tmp_path):
    results = made_up(a=[HALF], b=[RIGHT], c=[RIGHT])
    page = write_comparison_page(results, ["a", "b", "c"], tmp_path).read_text()
    assert "<b>b</b>, <b>c</b> share the highest mean." in page
    results = replace(results, held_out=(without(results.held_out[0], "c"),))
    page = write_comparison_page(results, ["a", "b"], tmp_path).read_text()
    assert "<b>b</b> has the highest mean." in page


def test_two_equal_arms_are_called_equal_and_not_tested(made_up, tmp_path):
    results = made_up(a=[HALF, RIGHT], b=[HALF, RIGHT])
    page = write_comparison_page(results, ["a", "b"], tmp_path).read_text()
    assert "Both arms have the same mean." in page and "highest mean" not in page
    assert "The differences are the same with every seed" in page and "±0.0" not in page
    assert "1.00" not in page and "<td>\N{EN DASH}</td>" in page
    assert "Holm" not in page.partition("<main>")[2]  # one test has nothing to be taken together with


def test_several_tests_are_taken_together(made_up, tmp_path):
    results = made_up(a=[HALF], b=[RIGHT], c=[RIGHT])
    page = write_comparison_page(results, ["a", "b", "c"], tmp_path).read_text()
    assert "method for the 2 tests of a column together" in page


def test_arms_without_rl_and_recipes_without_evaluation_get_a_page(made_up, tmp_path):
    results = made_up(a=([RIGHT], {"steps": 0}), b=([HALF], {"steps": 0}))
    page = write_comparison_page(replace(results, held_out=()), ["a", "b"], tmp_path).read_text()
    assert "No arm has an RL stage of two steps or more." in page
    assert "The recipes name nothing to evaluate on." in page
    assert arm_of(results, "a").cost.ended_by == "no RL"
