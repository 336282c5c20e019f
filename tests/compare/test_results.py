"""What arms that are made up come to: means, intervals, tests, warnings."""

import numpy as np
import pytest

from rlaudio.compare import compare_folder
from rlaudio.compare.compare_folder import open_folder
from rlaudio.compare.compare_page import write_comparison_page
from rlaudio.compare.grid import read_comparison
from rlaudio.compare.results import read_results
from rlaudio.compare.running import Failure
from rlaudio.compare.table import markdown_table
from rlaudio.evaluation.statistics import mcnemar_p_value
from rlaudio.runs.files import read_rows, write_rows
from tests.compare.made_up_arms import HALF, NO_SCORES, RIGHT, TABLES, arm_of


def test_accuracies_are_means_over_seeds_and_questions(made_up):
    [held_out] = made_up(a=[RIGHT, HALF]).held_out
    accuracy = held_out.accuracy["a"]
    assert (accuracy["all"]["audio"].value, accuracy["all"]["audio"].by_seed) == (0.75, (1.0, 0.5))
    assert (accuracy["weak"]["audio"].value, accuracy["strong"]["audio"].by_seed) == (1.0, (1.0, 0.0))
    assert accuracy["all"]["silence"].value == 0.0
    assert held_out.question_counts == {"strong": 4, "weak": 4, "all": 8} and held_out.chance["all"] == 0.25


def test_questions_of_one_contribution_are_all_questions_alone(made_up):
    [held_out] = made_up(a=[[1]], b=[[0]]).held_out
    assert held_out.question_counts == {"all": 1} and list(held_out.tests["b"]) == ["all"]


def test_a_test_is_paired_over_questions_and_seeds(made_up):
    better, worse = [1, 1, 1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 1, 1, 0]
    [held_out] = made_up(a=[worse], b=[better]).held_out
    test = held_out.tests["b"]["all"]
    assert test.difference.value == pytest.approx(4 / 8)
    assert test.p_value == pytest.approx(mcnemar_p_value(np.array(better, bool), np.array(worse, bool)))
    assert test.inside_noise is None and "a" not in held_out.tests


def test_arms_that_are_always_right_have_intervals_with_a_width_and_nothing_to_test(made_up):
    [held_out] = made_up(a=[RIGHT, RIGHT], b=[RIGHT, RIGHT]).held_out
    accuracy, test = held_out.accuracy["b"]["all"]["audio"], held_out.tests["b"]["all"]
    assert accuracy.value == accuracy.high == 1.0 and 0.55 < accuracy.low < 0.7  # Wilson, one seed: 0.68
    assert test.difference.value == 0.0
    assert (
        0.25 < test.difference.high < 0.35 and test.difference.low == -test.difference.high
    )  # one seed: 0.28
    assert (test.p_value, test.holm) == (None, 1.0)


def test_tests_of_several_arms_are_taken_together(made_up):
    [held_out] = made_up(a=[[0] * 8], b=[RIGHT], c=[HALF]).held_out
    p_values = [held_out.tests[arm]["all"].p_value for arm in "bc"]
    assert p_values == pytest.approx([2 / 2**8, 2 / 2**4])
    assert [held_out.tests[arm]["all"].holm for arm in "bc"] == pytest.approx([4 / 2**8, 2 / 2**4])


def test_a_difference_that_seeds_make_is_called_noise(made_up):
    noisy = made_up(a=[RIGHT, HALF], b=[HALF, RIGHT], c=[RIGHT, RIGHT])
    assert noisy.held_out[0].tests["b"]["all"].inside_noise
    assert any("Inside the noise of seeds on strong questions: b, c" in w for w in noisy.warnings)


def test_a_difference_that_every_seed_shows_is_not_called_noise(made_up):
    results = made_up(a=[HALF, HALF], b=[RIGHT, RIGHT])
    assert results.held_out[0].tests["b"]["strong"].inside_noise is False
    assert not any("noise of seeds" in warning for warning in results.warnings)


def test_arms_that_were_asked_other_questions_are_not_tested(made_up):
    results = made_up(a=[RIGHT], b=[RIGHT + RIGHT])
    assert results.held_out[0].unpaired == ("b",) and results.held_out[0].tests == {}
    assert any("b: asked other held-out questions than a" in warning for warning in results.warnings)


def test_arms_that_were_asked_in_silence_alone_get_a_table_and_a_page_without_tests(made_up, tmp_path):
    results = made_up(a=([RIGHT], {"controls": ["silence"]}), b=([HALF], {"controls": ["silence"]}))
    assert results.held_out[0].tests == {} and results.held_out[0].accuracy["b"]["all"].keys() == {"silence"}
    assert len(markdown_table(results).splitlines()) == 4
    assert write_comparison_page(results, ["a", "b"], tmp_path).exists()


def test_what_arms_used_is_counted_and_unequal_budgets_are_told(made_up):
    results = made_up(
        a=[RIGHT], b=([RIGHT], {"tokens": 104.0}), c=([RIGHT], {"completions": 20.0, "steps": 1})
    )
    cost = arm_of(results, "a").cost
    assert (cost.rollouts, cost.tokens, cost.sft_tokens, cost.rl_tokens) == (40.0, 450.0, 50.0, 400.0)
    assert (cost.seconds, cost.train_seconds, cost.rl_steps, cost.ended_by) == (5.0, 4.0, 4.0, "steps")
    said = [warning.replace("\N{MINUS SIGN}", "-") for warning in results.warnings]
    assert "Unequal budgets, completions against a: c -50 %." in said
    assert "Unequal budgets, optimizer tokens against a: c -67 %." in said


def test_curves_are_bands_over_seeds_at_the_completions_sampled(made_up):
    band = arm_of(made_up(a=[RIGHT, RIGHT]), "a").curves["reward/answer_correctness"]
    assert band.rollouts == (10.0, 20.0, 30.0, 40.0)
    assert band.low == pytest.approx((0.1, 0.2, 0.3, 0.4))
    assert band.mean == pytest.approx((0.2, 0.3, 0.4, 0.5))
    assert band.high == pytest.approx((0.3, 0.4, 0.5, 0.6))


def test_a_curve_ends_where_each_seed_ended(made_up):
    results = made_up(a=([RIGHT, RIGHT], {"steps": (3, 5)}))
    band = arm_of(results, "a").curves["reward/answer_correctness"]
    assert band.rollouts == (10.0, 20.0, (30.0 + 50.0) / 2)
    assert (band.low[-1], band.high[-1]) == pytest.approx((0.3, 0.7))


def test_a_seed_that_is_not_finished_leaves_the_others_to_be_compared(made_up, tmp_path, write):
    made_up(a=[RIGHT, HALF], b=[HALF, HALF])
    (tmp_path / "out" / "b" / "seed-1" / "summary.json").unlink()
    results = read_results(read_comparison(tmp_path / "compare.yaml"), tmp_path / "out")
    assert results.missing == ("b/seed-1",)
    assert results.held_out[0].tests["b"]["all"].difference.by_seed == (-0.5,)


def test_a_damaged_run_counts_as_failed_and_the_others_are_compared(made_up, tmp_path):
    made_up(a=[RIGHT, HALF], b=[HALF, HALF])
    (tmp_path / "out" / "a" / "seed-1" / "evaluation" / "final" / "test.jsonl").write_text("{}\n")
    (tmp_path / "out" / "b" / "seed-0" / "summary.json").write_text("[]")
    results = read_results(read_comparison(tmp_path / "compare.yaml"), tmp_path / "out")
    assert {arm.name: arm.seeds for arm in results.arms} == {"a": (0,), "b": (1,)}
    answers, summary = sorted(failure.reason for failure in results.failures)
    assert "test.jsonl, line 1: id: the key is missing" in answers
    assert "summary.json: expected a valid dictionary, found []" in summary


def test_of_many_differences_some_are_named(tmp_path, place):
    (tmp_path / "comparison.yaml").write_text("seeds: [0, 1]\narms: {grpo: {model: 3}}\n")
    with (
        pytest.raises(ValueError, match=r"model was 3, is None.*; and \d+ more; undo that") as error,
        open_folder(tmp_path, read_comparison(place / "two.yaml"), resume=True),
    ):
        pass
    assert str(error.value).count("; arm grpo: ") < 10


def test_a_damaged_comparison_is_one_message(tmp_path):
    (tmp_path / "comparison.yaml").write_text("seeds: [0]\narms: &a {x: {}}\nb: [*a, *a]\n")
    with pytest.raises(ValueError, match=r"comparison\.yaml, line 3: not valid YAML: aliases"):
        compare_folder._read(tmp_path)
    (tmp_path / "comparison.yaml").write_text("seeds: [0]\narms: [x]\n")
    with pytest.raises(
        ValueError, match=r"comparison\.yaml: arms: expected a valid dictionary, found \['x'\]"
    ):
        compare_folder._read(tmp_path)


def test_arms_that_all_fell_below_the_base_are_told(made_up):
    before = {"accuracy": 0.9, "low": 0.8, "high": 1.0}
    line = NO_SCORES | {"scores": {"audio": before}}
    base = TABLES | {"tables": {"all": {"all": line}, "contribution": {"strong": line}}}
    assert not any("below the base" in text for text in made_up((), a=[HALF], b=[HALF]).warnings)
    told = made_up((), a=([HALF], {"base": base}), b=([HALF], {"base": base})).warnings
    assert (
        "Both arms fell below the base on all questions: 90.0 % before training, at best 50.0 % after it."
        in told
    )


def test_an_arm_that_equals_the_base_but_for_rounding_did_not_fall_below_it(made_up):
    line = NO_SCORES | {"scores": {"audio": {"accuracy": 0.5000000000000001, "low": 0.2, "high": 0.8}}}
    base = TABLES | {"tables": {"all": {"all": line}}}
    assert not any("below the base" in text for text in made_up((), a=([HALF], {"base": base})).warnings)


def test_an_arm_many_of_whose_answers_name_no_choice_is_told(made_up):
    unread = NO_SCORES | {"scores": {"audio": {"accuracy": 0.5, "low": 0.2, "high": 0.8, "unparsed": 0.6}}}
    final = TABLES | {"tables": {"all": {"all": unread}}}
    told = made_up((), a=[HALF], b=([HALF], {"final": final})).warnings
    assert "Answers that name no choice count as wrong: b 60.0 %." in told


def test_an_arm_without_a_learning_signal_or_with_a_reward_that_never_moves_is_told(made_up):
    stuck = {"metrics": {"group/no_spread": 1.0, "reward/format": 0.0}}
    told = made_up((), a=[HALF], b=([HALF], stuck), c=([HALF], stuck)).warnings
    assert "b, c: reward format was 0 in every step." in told
    assert "b, c had no learning signal: in every step all completions of a group had one reward." in told
    assert not any(text.startswith(("a:", "a had")) for text in told)


def test_a_reward_that_never_moves_in_the_steps_that_had_a_value_is_told_so(made_up, tmp_path):
    made_up((), a=[HALF], b=([HALF], {"metrics": {"reward/format": 0.0}}))
    metrics = tmp_path / "out" / "b" / "seed-0" / "metrics.jsonl"
    rows = read_rows(metrics)
    rows[2]["reward/format"] = None
    write_rows(metrics, rows)
    told = read_results(read_comparison(tmp_path / "compare.yaml"), tmp_path / "out").warnings
    assert "b: reward format was 0 in every step that had a value." in told


def test_nothing_finished_is_nothing_to_compare(place, tmp_path):
    with pytest.raises(ValueError, match=r"no run is finished \(a/seed-0: out of luck\)"):
        comparison = read_comparison(place / "two.yaml")
        read_results(comparison, tmp_path, [Failure("a/seed-0", "out of luck")])


def test_guessing_answers_no_question_without_options(made_up):
    [held_out] = made_up(a=([RIGHT], {"choices": ()})).held_out
    assert held_out.chance["all"] == 0.0
