"""The page of a trial holds its numbers and completions, as text, the groups that change most first."""

import json
import re

import pytest

from rlaudio.algorithms.grpo import GRPO
from rlaudio.algorithms.ppo import PPO
from rlaudio.lab.rescoring import Candidate
from rlaudio.lab.stored import read_rollouts
from rlaudio.lab.trial import Setting, try_rewards
from rlaudio.lab.trial_page import write_trial_page
from rlaudio.lab.trial_text import trial_to_json
from rlaudio.runs.run import open_run
from rlaudio.scorers.robust import robust
from tests.lab.stored_runs import RIGHT, WRONG, learned, write_run

HOSTILE = "<answer>a cat</answer></script><script>alert('model')</script>"


def lengthy(question, completion):
    return 0.1 * len(completion.text)


@pytest.fixture
def run(tmp_path):
    groups = [learned("q1", RIGHT, RIGHT, RIGHT), learned("q2", RIGHT, HOSTILE, WRONG)]
    return write_run(tmp_path / "run", {1: groups}, labels=[{"id": "q2", "contribution": "weak"}])


def page_of(path, algorithm):
    stored = open_run(path)
    setting = Setting(read_rollouts(stored), robust, algorithm, "the algorithm")
    trial = try_rewards(setting, [Candidate("lengthy", lengthy, 1.0, None)])
    written = write_trial_page(path.parent / "trial.html", stored, trial, trial_to_json(trial))
    return written.read_text(encoding="utf-8")


def viewed(page):
    blocks = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)
    return next(block for block in map(json.loads, blocks) if "groups" in block)


def test_groups_that_change_most_come_first_with_what_each_reward_paid(run):
    shown = viewed(page_of(run, GRPO(scale="none")))
    assert [group["id"] for group in shown["groups"]] == ["q2", "q1"]
    assert [column["name"] for column in shown["columns"]] == [
        *("total", "answer_correctness", "lengthy (tried)", "advantage"),
        *("total with lengthy", "advantage with lengthy", "change by lengthy", "tokens"),
    ]
    first = shown["groups"][0]
    assert first["facts"]["contribution"] == "weak"
    assert first["c"][0]["v"][:3] == [2.0, 1.0, pytest.approx(2.2)]
    flags = [[shown["flags"][flag][0] for flag in completion["f"]] for completion in first["c"]]
    assert flags == [["right"], ["turned"], []]  # 2, 0, 0 becomes 4.2, 6.2, 2.2


def test_empty_bins_of_a_histogram_keep_their_place(run):
    bars = re.search(r"<td>([^<]*█[^<]*)</td>", page_of(run, GRPO()))
    assert bars and len(bars[1]) == 10 and " " not in bars[1] and "\u2007" in bars[1]


def test_a_group_that_one_of_two_rewards_leaves_without_spread_is_flagged(run):
    stored = open_run(run)
    setting = Setting(read_rollouts(stored), robust, GRPO(scale="none"), "the algorithm", alone=True)
    pair = [
        Candidate("lengthy", lengthy, 1.0, None),
        Candidate("flat", lambda question, completion: 1.0, 1.0, None),
    ]
    trial = try_rewards(setting, pair)
    page = write_trial_page(run.parent / "trial.html", stored, trial, trial_to_json(trial)).read_text(
        encoding="utf-8"
    )
    assert page.count("weight 1, the whole sum") == 2
    shown = viewed(page)
    flags = {
        group["id"]: {shown["flags"][f][0] for c in group["c"] for f in c["f"]} for group in shown["groups"]
    }
    assert "loses spread" in flags["q2"] and "loses spread" not in flags["q1"]


def test_lints_that_a_reward_ended_are_told(run):
    def leaves(question, completion):
        if "well " in completion.text:
            raise SystemExit(3)
        return 1.0

    stored = open_run(run)
    setting = Setting(read_rollouts(stored), robust, GRPO(scale="none"), "the algorithm")
    trial = try_rewards(setting, [Candidate("leaves", leaves, 1.0, None)])
    page = write_trial_page(run.parent / "trial.html", stored, trial, trial_to_json(trial)).read_text(
        encoding="utf-8"
    )
    assert "lints ended early: grows with length: reward leaves" in page


def test_without_advantages_it_says_why_and_shows_totals(run):
    page = page_of(run, PPO())
    assert "needs the values of a critic" in page
    assert not any("advantage" in column["name"] for column in viewed(page)["columns"])


def test_what_a_model_wrote_is_text_everywhere(run):
    page = page_of(run, GRPO(scale="none"))
    assert "lengthy: pays wrong answers" in page and "alert(" in page
    assert "<script>alert" not in page
