"""The metric table: names are declared once, and nothing else may be logged."""

import math

import numpy as np
import pytest

from rlaudio.runs.metrics import METRICS, is_stuck_reward, metric_of, split_wall_clock


def test_every_metric_is_declared_once_and_explained_in_one_sentence():
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    for metric in METRICS:
        assert metric.name.count("/") == 1
        assert metric.meaning.endswith(".")
        assert metric.unit


def test_an_undeclared_metric_is_refused_with_the_nearest_name():
    with pytest.raises(
        ValueError, match=r"'optimizer/grad_nrom' is not declared; did you mean 'optimizer/grad_norm'\?"
    ):
        metric_of("optimizer/grad_nrom")


def test_a_pattern_covers_exactly_one_word():
    assert metric_of("reward/answer_correctness").name == "reward/<name>"
    with pytest.raises(ValueError, match="not declared"):
        metric_of("reward/a/b")


def test_an_exact_name_goes_before_a_pattern():
    assert metric_of("reward/failures").name == "reward/failures"
    assert metric_of("eval/unparsed").name == "eval/unparsed"
    assert metric_of("eval/strong_silence").name == "eval/<contribution>_<control>"


def test_of_two_patterns_the_one_that_spells_out_more_is_meant():
    assert metric_of("eval/strong_silence_exact").name == "eval/<contribution>_<control>_<scorer>"
    assert metric_of("eval/unparsed_robust_letters").name == "eval/unparsed_<scorer>"


def test_wall_clock_metrics_are_told_apart():
    assert split_wall_clock(["loss/total", "time/rollout", "rollout/length"]) == (
        ["loss/total", "rollout/length"],
        ["time/rollout"],
    )


def test_a_reward_is_stuck_where_it_had_one_value_but_for_rounding():
    means = [np.mean([0.1] * count) for count in (3, 10, 16)]
    assert len(set(means)) > 1
    assert is_stuck_reward("reward/format", means, means)
    assert not is_stuck_reward("reward/format", means[:2], means[:2])  # too few steps to say so
    assert not is_stuck_reward("reward/format", means, [0.1, 0.1, 0.2])  # one run of several moved
    assert not is_stuck_reward("reward/total", means, means)


@pytest.mark.parametrize("missing", [None, math.nan])
@pytest.mark.parametrize("at", range(4))
def test_whether_a_reward_is_stuck_is_judged_over_the_steps_that_had_a_value(missing, at):
    stuck, moved = [0.0, 0.0, 0.0], [0.0, 0.0, 0.5]
    stuck.insert(at, missing)
    moved.insert(at, missing)
    assert is_stuck_reward("reward/format", stuck, stuck)
    assert not is_stuck_reward("reward/format", moved, moved)
    few = [0.0, missing, 0.0]
    assert not is_stuck_reward("reward/format", few, few)
