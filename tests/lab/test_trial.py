"""What a reward would have done to the completions of a run, against numbers worked out by hand."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from rlaudio.algorithms.contribution_weighted import ContributionWeighted
from rlaudio.algorithms.grpo import GRPO
from rlaudio.algorithms.ppo import PPO
from rlaudio.algorithms.reinforce_pp import ReinforcePP
from rlaudio.lab.rescoring import Candidate
from rlaudio.lab.stored import read_rollouts
from rlaudio.lab.trial import Setting, try_rewards
from rlaudio.lab.trial_text import trial_text, trial_to_json
from rlaudio.runs.files import plain
from rlaudio.runs.rollouts import LearnedGroup
from rlaudio.runs.run import open_run
from rlaudio.scorers.robust import robust
from tests.lab.stored_runs import RIGHT, WRONG, learned, write_run


def length(question, completion):
    return float(completion.length)


def halves(question, completion):
    return 0.5 * (completion.text == RIGHT)


@pytest.fixture
def rollouts(tmp_path):
    steps = {
        1: [learned("q1", RIGHT, WRONG, RIGHT, WRONG), learned("q2", RIGHT, RIGHT, RIGHT, RIGHT + " bark")],
        2: [learned("q3", WRONG, WRONG)],
    }
    return read_rollouts(open_run(write_run(tmp_path / "run", steps)))


def tried(rollouts, *rewards, weight=1.0, **setting):
    name = {length: "length", halves: "answer_correctness"}
    candidates = [Candidate(name.get(r, r.__name__), r, weight, None) for r in rewards]
    algorithm = setting.pop("algorithm", GRPO(scale="none"))
    return try_rewards(Setting(rollouts, robust, algorithm, "grpo", **setting), candidates)


def test_a_reward_of_the_same_name_takes_the_place_of_the_runs(rollouts):
    (result,) = tried(rollouts, halves, weight=4.0).tried
    assert result.replaces
    assert result.total.tolist() == [2, 0, 2, 0, 2, 2, 2, 0, 0, 0]


def test_another_reward_joins_the_sum_and_alone_it_is_the_sum(rollouts):
    (joined,) = tried(rollouts, length).tried
    (alone,) = tried(rollouts, length, alone=True).tried
    assert not joined.replaces
    assert (joined.total - alone.total).tolist() == [2, 0, 2, 0, 2, 2, 2, 0, 0, 0]
    assert alone.total.tolist() == [5, 5, 5, 5, 5, 5, 5, 6, 5, 5]


def test_advantages_are_those_of_the_algorithm(rollouts):
    trial = tried(rollouts, halves, weight=4.0)
    assert trial.advantages.tolist() == [1, -1, 1, -1, 0.5, 0.5, 0.5, -1.5, 0, 0]
    assert np.array_equal(trial.tried[0].advantages, trial.advantages)


def test_a_reward_takes_the_place_that_it_is_given_and_keeps_its_name(rollouts):
    candidate = Candidate("length", length, 1.0, None, place="answer_correctness")
    (result,) = try_rewards(Setting(rollouts, robust, GRPO(scale="none"), "grpo"), [candidate]).tried
    assert result.replaces and result.name == "length"
    assert result.total.tolist() == [5, 5, 5, 5, 5, 5, 5, 6, 5, 5]


def test_the_text_says_what_the_reward_is_in_the_sum(rollouts):
    for part, trial in {
        "the whole sum": tried(rollouts, halves, alone=True),
        "in place of the run's": tried(rollouts, halves),
        "added to the run's rewards": tried(rollouts, length),
    }.items():
        assert f"weight 1, {part} (" in trial_text(trial_to_json(trial))


def test_groups_that_the_step_did_not_learn_from_are_left_out_of_advantages(tmp_path):
    groups = [learned("q1", RIGHT, WRONG), learned("q2", RIGHT, RIGHT), learned("q3", WRONG, WRONG)]
    groups[1:] = [LearnedGroup(group.scored) for group in groups[1:]]
    rollouts = read_rollouts(open_run(write_run(tmp_path / "run", {1: groups})))
    trial = tried(rollouts, halves, weight=4.0, algorithm=ReinforcePP())
    half = 1 / (2**0.5 + 1e-4)  # 2 and 0 alone: a gap of 1 over their deviation
    assert trial.advantages == pytest.approx([half, -half, *[np.nan] * 4], nan_ok=True)
    result = trial_to_json(trial)["tried"][0]["advantages"]
    assert result["right_encouraged_after"] == 1.0 and result["turned"] == 0.0


def test_contribution_is_asked_of_the_groups_that_were_learned_from(tmp_path):
    scored = [learned(f"q{number}", RIGHT, WRONG) for number in (1, 2)]
    groups = [replace(scored[0], contribution=0.5), LearnedGroup(scored[1].scored)]
    rollouts = read_rollouts(open_run(write_run(tmp_path / "run", {1: groups})))
    trial = tried(rollouts, halves, algorithm=ContributionWeighted())
    assert not trial.notes and np.isnan(trial.advantages).tolist() == [False, False, True, True]


def test_advantages_that_are_not_known_count_neither_way(rollouts):
    def fails(question, completion):
        return "none" if question.id == "q2" else float(completion.text == RIGHT)

    result = trial_to_json(tried(rollouts, fails))["tried"][0]["advantages"]
    assert result["right_encouraged_after"] == result["right_encouraged_before"] == 1.0


def test_groups_gain_and_lose_what_can_be_learned_from(rollouts):
    result = trial_to_json(tried(rollouts, length, alone=True))
    assert result["tried"][0]["groups"] == {
        "count": 3,
        "with_spread_before": 2,
        "with_spread_after": 1,
        "gain": [],
        "lose": ["q1"],
    }


def test_the_completions_that_move_most_come_first(rollouts):
    moved = trial_to_json(tried(rollouts, length, alone=True))["tried"][0]["moved"]
    assert [entry["before"] - entry["after"] for entry in moved] == sorted(
        (entry["before"] - entry["after"] for entry in moved), key=abs, reverse=True
    )
    assert moved[0]["question_id"] == "q2" and moved[0]["sample"] == 3
    assert (moved[0]["before"], moved[0]["after"]) == (-1.5, 0.75)


def test_an_algorithm_that_needs_a_critic_leaves_advantages_out(rollouts):
    result = trial_to_json(tried(rollouts, length, algorithm=PPO()))
    assert result["tried"][0]["advantages"] is None
    assert "needs the values of a critic, which a run folder does not hold" in result["notes"][0]
    assert {entry["quantity"] for entry in result["tried"][0]["moved"]} == {"total"}


def test_two_rewards_stand_side_by_side_with_what_they_differ_about(rollouts):
    trial = tried(rollouts, halves, length)
    result = trial_to_json(trial)
    assert [entry["name"] for entry in result["tried"]] == ["answer_correctness", "length"]
    assert result["differ_most"][0]["text"] == RIGHT + " bark"
    assert result["differ_most"][0]["values"] == {"answer_correctness": 0.0, "length": 6.0}
    assert "completions about which the two differ most" in trial_text(result)


def test_a_reward_that_gives_no_number_is_told_with_its_first_completion(rollouts):
    def says(question, completion):
        return "good" if completion.text == WRONG else 1.0

    result = trial_to_json(tried(rollouts, says))
    assert result["tried"][0]["failures"]["count"] == 4
    text = trial_text(result)
    assert "gave no value for 4 completions; the first: question q1, sample 1: returned 'good'" in text


def test_what_a_reward_prints_is_counted_and_kept_from_the_terminal(rollouts, capsys):
    def chatty(question, completion):
        sys.stdout.write("line\n" * 1000)
        return 1.0

    result = trial_to_json(tried(rollouts, chatty))
    assert result["tried"][0]["printed"]["lines"] >= 10_000
    assert len(result["tried"][0]["printed"]["beginning"]) <= 400
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "write",
    [
        lambda: sys.stdout.buffer.write(b"line\n"),
        lambda: os.write(1, b"line\n"),
        lambda: os.write(sys.stdout.fileno(), b"line\n"),
        lambda: sys.stderr.buffer.write(b"line\n"),
        lambda: subprocess.run(["echo", "line"], check=True),
    ],
    ids=["buffer", "descriptor", "fileno", "stderr", "process"],
)
def test_what_a_reward_writes_past_print_is_kept_from_the_terminal(rollouts, capfd, write):
    def chatty(question, completion):
        write()
        return 1.0

    result = trial_to_json(tried(rollouts, chatty))
    assert not result["tried"][0]["failures"]["count"]
    assert result["tried"][0]["printed"]["lines"] >= 10
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("how", ["os.close(1)", "sys.stdout.close()", "sys.stdout.detach()"])
def test_a_reward_that_closes_stdout_is_told_and_the_others_are_heard(rollouts, capfd, caplog, how):
    def rude(question, completion):
        {"os.close(1)": lambda: os.close(1)}.get(how, getattr(sys.stdout, how[11:-2], None))()
        return 1.0

    rude.__name__ = how  # each is told once
    result = trial_to_json(tried(rollouts, rude))
    assert not result["tried"][0]["failures"]["count"]
    assert "sys.stdout, which the run depends on; it is put back" in caplog.text.replace(".close,", ",")
    os.write(1, b"still here")
    assert capfd.readouterr().out == "still here"


def test_the_object_is_json_and_its_text_names_each_reward(rollouts):
    result = trial_to_json(tried(rollouts, length))
    again = json.loads(json.dumps(plain(result)))
    assert again["distributions"]["length (tried)"]["count"] == 10
    text = trial_text(result)
    for part in (
        "10 completions in 3 groups",
        "length (tried)",
        "advantages (grpo)",
        "passes",
        "60.0 % right",
    ):
        assert part in text
