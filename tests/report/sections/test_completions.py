"""Which completions of a run a page shows, and what it says of them."""

import dataclasses
import shutil

import numpy as np
import pytest

from rlaudio.report.sections.completions import (
    choose_steps,
    disagreement,
    flags_of,
    viewed_completions,
)
from rlaudio.runs.files import write_rows
from rlaudio.runs.folder import RunFolder
from rlaudio.runs.places import ROLLOUT_CLIPS
from rlaudio.runs.rollouts import LearnedGroup
from rlaudio.runs.run import open_run
from rlaudio.types import Clip, Question
from tests.made_up_run import RECIPE, made_up_group, made_up_questions


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Nine steps of RL with two groups of four, and one of SFT."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("runs") / "run"
    questions = made_up_questions(4, rng)
    with RunFolder.create(path, RECIPE) as folder:
        folder.log_metrics("sft", 1, {"loss/total": 1.0})
        folder.write_rollouts("sft", 1, [LearnedGroup(made_up_group(questions[0], 1.0, rng))])
        for step in range(1, 10):
            folder.log_metrics("rl", step, {"reward/total": 1.0})
            groups = [made_up_group(question, 0.5, rng, group_size=4) for question in questions[:2]]
            folder.write_rollouts("rl", step, map(LearnedGroup, groups))
    label = {"id": "q0", "contribution": "weak", "score": 0.25}
    write_rows(path / "labels" / "train" / "labels.jsonl", [label])
    return path


def steps_of(chosen) -> list[int]:
    return list(dict.fromkeys(step for _, step, _ in chosen.groups))


def test_all_steps_of_a_small_run_are_shown_the_latest_first(run):
    chosen = choose_steps(open_run(run), 100)
    assert steps_of(chosen) == [9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert {stage for stage, _, _ in chosen.groups} == {"rl"}
    assert chosen.sentence == "All 72 completions of 9 steps, the latest first."


@pytest.mark.parametrize(("most", "steps"), [(8, [9]), (16, [9, 1]), (24, [9, 5, 1]), (40, [9, 7, 5, 3, 1])])
def test_of_a_larger_run_the_last_step_and_others_spread_over_it_are_shown(run, most, steps):
    chosen = choose_steps(open_run(run), most)
    assert steps_of(chosen) == steps
    assert chosen.sentence.startswith(f"{most} completions of {len(steps)} of 9 steps: the last one and")


def test_of_a_step_that_is_too_large_the_first_groups_are_shown(run):
    chosen = choose_steps(open_run(run), 5)
    assert [group.scored.group.prompt.question.id for _, _, group in chosen.groups] == ["q0"]


def test_labels_rewards_and_tints_of_a_completion_are_shown(run):
    viewed = viewed_completions(open_run(run), lambda question: [], 8)
    first, second = viewed.groups
    assert first.facts["contribution"] == "weak" and "contribution" not in second.facts
    assert first.values["label score"] == 0.25 and first.step == 9
    completion = first.completions[1]
    assert set(completion.values) >= {"total", "answer_correctness", "format", "disagreement", "tokens"}
    assert completion.tints["log-prob"] == pytest.approx(np.full(6, -0.3))
    assert len(completion.pieces) == 6


def test_a_damaged_step_is_left_out_and_told(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    (copy / "rollouts" / "rl-9.jsonl").write_text("[]\n")
    damaged = open_run(copy, leave_out_damage=True)
    assert steps_of(choose_steps(damaged, 16)) == [5, 1]
    assert "rl-9.jsonl, line 1" in damaged.left_out[0]


QUESTION = Question.multiple_choice("q", "Which?", ("a dog", "a cat"), "a dog")


@pytest.mark.parametrize(
    ("text", "by_text", "flags"),
    [
        ("<answer>a dog</answer>", False, {"right"}),
        ("<answer>a dog</answer>", True, {"right", "right in silence too"}),
        ("It is a dog, I think.", False, {"right", "right but unparsed"}),
        ("<answer>a cat</answer>", True, set()),
        ("um", False, {"unparsed"}),
    ],
)
def test_flags_say_what_the_scorers_say(text, by_text, flags):
    assert set(flags_of(QUESTION, text, by_text=by_text)) == flags


def test_rewards_disagree_by_the_range_of_their_scaled_values():
    rewards = np.array(
        [
            [0.0, 1.0, 1.0, np.nan],
            [10.0, 20.0, 15.0, 10.0],
            [3.0, 3.0, 3.0, 3.0],  # the same everywhere: no part
        ]
    )
    assert disagreement(rewards).tolist() == [0.0, 0.0, 0.5, 0.0]
    assert disagreement(np.zeros((0, 2))).tolist() == [0.0, 0.0]


def test_groups_whose_clip_is_lost_are_shown_with_their_text(tmp_path):
    rng = np.random.default_rng(0)
    clip = Clip(np.zeros(800, dtype=np.float32), "d1g3st")
    question = dataclasses.replace(made_up_questions(1, rng)[0], clips=(clip,))
    with RunFolder.create(tmp_path / "run", RECIPE) as folder:
        folder.log_metrics("rl", 1, {"reward/total": 1.0})
        folder.write_rollouts("rl", 1, [LearnedGroup(made_up_group(question, 0.5, rng, group_size=4))])
    shutil.rmtree(tmp_path / "run" / ROLLOUT_CLIPS)
    run = open_run(tmp_path / "run", leave_out_damage=True)
    names = []
    [group] = viewed_completions(run, lambda question: names.extend(question.clip_names) or (), 9).groups
    assert len(group.completions) == 4 and run.left_out == []
    assert names == [str(run.path / ROLLOUT_CLIPS / "d1g3st.wav")]
