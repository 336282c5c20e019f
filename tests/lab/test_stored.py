"""The completions of a run folder that a reward is tried on."""

import numpy as np
import pytest

from rlaudio.lab.stored import InSilence, group_and_sample, read_rollouts
from rlaudio.runs.run import open_run
from rlaudio.types import ScoredGroup
from tests.factories import make_group
from tests.lab.stored_runs import RIGHT, WRONG, learned, write_run


def read(path, *most):
    return read_rollouts(open_run(path), *most)


def test_all_steps_are_read_in_their_order(tmp_path):
    steps = {step: [learned(f"q{step}", RIGHT, WRONG)] for step in (1, 2, 10)}
    rollouts = read(write_run(tmp_path / "run", steps))
    assert [group.prompt.question.id for group in rollouts.groups] == ["q1", "q2", "q10"]
    assert rollouts.stored("answer_correctness").tolist() == [1, 0] * 3
    assert rollouts.stored().tolist() == [2, 0] * 3
    assert rollouts.stage_and_step(2) == ("rl", 10)
    assert group_and_sample(rollouts.groups, 5) == (2, 1)
    with pytest.raises(IndexError):
        group_and_sample(rollouts.groups, 6)
    assert "6 completions in 3 groups, all steps of rl (1 to 10)" in rollouts.selection


def test_of_many_steps_evenly_spaced_ones_are_taken_the_last_among_them(tmp_path):
    steps = {step: [learned(f"q{step}", RIGHT, WRONG)] for step in range(1, 10)}
    rollouts = read(write_run(tmp_path / "run", steps), 6)
    assert [step.step for step in rollouts.steps] == [1, 5, 9]
    assert "3 evenly spaced of 9 steps of rl" in rollouts.selection


def test_targets_of_sft_have_no_rewards_and_are_left_out(tmp_path):
    group = make_group(RIGHT)
    target = type(learned("q", RIGHT))(ScoredGroup(group, {}, np.zeros(1)))
    with pytest.raises(ValueError, match="no completions that rewards scored; expected rollouts/STAGE-STEP"):
        read(write_run(tmp_path / "run", {1: [target]}))


def test_a_run_that_crashed_before_its_first_step_says_so(tmp_path):
    with pytest.raises(ValueError, match="let the run reach its first step of RL, or name another run"):
        read(write_run(tmp_path / "run", {}))


def test_a_file_that_was_cut_off_is_named_since_it_was_written_whole(tmp_path):
    path = write_run(tmp_path / "run", {1: [learned("q1", RIGHT), learned("q2", WRONG)]})
    file = path / "rollouts" / "rl-1.jsonl"
    file.write_text(file.read_text(encoding="utf-8")[:-40], encoding="utf-8")
    with pytest.raises(ValueError, match=r"rl-1\.jsonl, line 2: the file ends within it, cut off"):
        read(path)


def test_a_damaged_line_is_named_with_its_file(tmp_path):
    path = write_run(tmp_path / "run", {1: [learned("q1", RIGHT)]})
    file = path / "rollouts" / "rl-1.jsonl"
    file.write_text(file.read_text(encoding="utf-8")[:100] + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"rl-1\.jsonl, line 1: expected a JSON object"):
        read(path)


def test_labels_say_what_voters_answered_in_silence(tmp_path):
    voted = {"v1": {"answers": [WRONG]}, "v2": {"answers": [RIGHT]}, "v3": {}}
    labels = [{"id": "q1", "contribution": "weak", "votes": voted}, {"id": "q2", "contribution": "strong"}]
    path = write_run(tmp_path / "run", {1: [learned("q1", RIGHT)]}, labels=labels)
    known = read(path).in_silence
    assert known == {"q1": InSilence(True, (WRONG, RIGHT)), "q2": InSilence(False, ())}


def test_log_probs_in_silence_are_those_of_whole_completions(tmp_path):
    steps = {1: [learned("q1", RIGHT, WRONG, silence=-3.0), learned("q2", RIGHT)]}
    first, second = read(write_run(tmp_path / "run", steps)).logprobs_in_silence
    assert first == pytest.approx([-3.0, -3.0], rel=1e-5) and np.isnan(second).all()
