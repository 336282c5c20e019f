"""Warnings while a run trains: rewards that teach nothing, log-probs that differ."""

import logging

import numpy as np

from rlaudio.training.alarms import STEPS_WITHOUT_SPREAD, Alarms
from rlaudio.types import ScoredGroup
from tests.factories import make_group


def step(rewards: dict[str, list[float]], weights: dict[str, float] | None = None) -> list[ScoredGroup]:
    """One group with these rewards for its completions."""
    values = {name: np.array(of_group) for name, of_group in rewards.items()}
    weights = weights or dict.fromkeys(values, 1.0)
    total = sum(weights[name] * of_group for name, of_group in values.items())
    group = make_group(*["<answer>a dog</answer>"] * len(total))
    return [ScoredGroup(group, values, total, weights=weights)]


def said(alarms: Alarms, groups: list[ScoredGroup], times: int, caplog) -> list[str]:
    """What is said in so many equal steps."""
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(times):
            alarms.check({}, groups)
    return [record.getMessage() for record in caplog.records]


FLAT, SPREAD = {"a": [1.0, 1.0], "b": [0.0, 0.0]}, {"a": [1.0, 0.0], "b": [0.0, 0.0]}


def test_rewards_without_spread_are_told_once_after_so_many_steps_in_a_row(caplog):
    alarms = Alarms(mismatch=1.0, steps=1000)
    assert said(alarms, step(FLAT), STEPS_WITHOUT_SPREAD - 1, caplog) == []
    (message,) = said(alarms, step(FLAT), 1, caplog)
    assert f"in the last {STEPS_WITHOUT_SPREAD} steps" in message and "raise the temperature" in message
    assert said(alarms, step(FLAT), 50, caplog) == []


def test_a_step_with_spread_begins_the_count_anew(caplog):
    alarms = Alarms(mismatch=1.0, steps=1000)
    said(alarms, step(FLAT), STEPS_WITHOUT_SPREAD - 1, caplog)
    said(alarms, step({"a": [1.0, 0.0], "b": [1.0, 0.0]}), 1, caplog)
    assert said(alarms, step(FLAT), STEPS_WITHOUT_SPREAD - 1, caplog) == []


def test_a_stage_that_is_shorter_is_told_at_its_end(caplog):
    assert said(Alarms(mismatch=1.0, steps=3), step(FLAT), 2, caplog) == []
    assert len(said(Alarms(mismatch=1.0, steps=3), step(FLAT), 3, caplog)) == 1


def test_one_reward_that_never_told_completions_apart_is_named_beside_one_that_does(caplog):
    alarms = Alarms(mismatch=1.0, steps=1000)
    (message,) = said(alarms, step(SPREAD), STEPS_WITHOUT_SPREAD, caplog)
    assert message.startswith(
        "reward b gave all completions of a group the same value in each of the first 20"
    )


def test_of_a_single_reward_nothing_is_said_after_too_few_steps(caplog):
    assert said(Alarms(mismatch=1.0, steps=4), step(SPREAD), 4, caplog) == []


def test_a_reward_that_every_completion_earns_by_now_is_no_trouble(caplog):
    alarms = Alarms(mismatch=1.0, steps=1000)
    said(alarms, step({"a": [1.0, 0.0], "b": [1.0, 0.0]}), 1, caplog)
    assert said(alarms, step(SPREAD), 100, caplog) == []


def test_a_reward_that_is_only_watched_need_not_teach(caplog):
    watched = step(SPREAD, weights={"a": 1.0, "b": 0.0})
    assert said(Alarms(mismatch=1.0, steps=1000), watched, 100, caplog) == []


def test_dropped_completions_are_no_spread(caplog):
    groups = step({"a": [1.0, np.nan, 1.0]})
    assert len(said(Alarms(mismatch=1.0, steps=5), groups, 5, caplog)) == 1


def test_a_teachers_completions_raise_no_alarm(caplog):
    group = make_group("<answer>a dog</answer>")
    assert said(Alarms(mismatch=1.0, steps=3), [ScoredGroup(group, {}, np.zeros(1))], 9, caplog) == []


def test_sampler_and_trainer_apart_are_told_once_with_both_numbers(caplog):
    alarms = Alarms(mismatch=0.05, steps=9)
    with caplog.at_level(logging.WARNING):
        for gap in (0.04, 0.06, 0.07):
            alarms.check({"rollout/mismatch_mean": gap}, [])
    (message,) = [record.getMessage() for record in caplog.records]
    assert "differ by 0.06 nats" in message and "at most 0.05" in message and "mismatch.correct" in message
