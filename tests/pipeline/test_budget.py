"""One budget of optimizer tokens over curricula of one stage and of two."""

import json
from pathlib import Path

import pytest
import torch

from rlaudio import pipeline
from rlaudio.config.recipe import load_recipe
from rlaudio.data.audiomcq import write_audiomcq
from rlaudio.training.checkpoint import Cursor
from tests.forking import Forked, command_line
from tests.pipeline.test_training_run import wait_for
from tests.word_family import questions_on_disk

BUDGET = 150
CURRICULA = {
    "sft_only": "{use: sft_only, sft_steps: 1}",
    "rl_only": "{use: rl_only, rl_steps: 1}",
    "mixed_to_mixed": "{use: mixed_to_mixed, sft_questions: 3, sft_steps: 2, rl_steps: 1}",
}
RECIPE = """
threads: 1
model: {use: qwen2_5_omni, path: tiny/base, device: cpu}
data: {train: {use: audiomcq, path: train.jsonl}, clips_disjoint: false}
contribution: {voters: []}
curriculum: sft_only
algorithm: {use: grpo, kl: 0.001}
rewards: {answer_correctness: {}}
sampling: {questions: 2, group_size: 2, temperature: 1.0, max_new_tokens: 6}
sft: {questions: 2}
training: {save_every: 1}
"""


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("budget")
    write_audiomcq(questions_on_disk(folder, 6), folder / "train.jsonl")
    (folder / "small.yaml").write_text(RECIPE, encoding="utf-8")
    return folder / "small.yaml"


def overrides(curriculum: str, tokens: int = BUDGET) -> list[str]:
    return ["base/equal_budget", f"training.run_tokens={tokens}", f"curriculum={CURRICULA[curriculum]}"]


def rows_of(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def runs(recipe_file, tmp_path_factory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("runs")
    for curriculum in CURRICULA:
        pipeline.run(load_recipe(recipe_file, overrides(curriculum)), out / curriculum)
    return {curriculum: out / curriculum for curriculum in CURRICULA}


@pytest.mark.slow
@pytest.mark.parametrize("curriculum", CURRICULA)
def test_every_curriculum_ends_with_the_step_that_spends_the_budget(runs, curriculum):
    tokens = [row["optimizer/tokens"] for row in rows_of(runs[curriculum])]
    assert sum(tokens[:-1]) < BUDGET <= sum(tokens)


@pytest.mark.slow
def test_the_first_stage_keeps_its_steps_and_the_last_goes_on(runs):
    stages = [row["stage"] for row in rows_of(runs["mixed_to_mixed"])]
    assert stages.count("sft") == 2 and stages.count("rl") > 1


@pytest.mark.slow
def test_a_run_that_is_killed_in_its_last_stage_spends_no_more(runs, recipe_file, tmp_path):
    out, words = tmp_path / "killed", []
    for override in overrides("mixed_to_mixed"):
        words += ["-o", override]
    command = Forked(command_line, "run", recipe_file, "--out", out, *words, said=tmp_path / "said")
    wait_for((out / "rollouts" / "rl-2.jsonl").exists, command)
    command.kill()
    pipeline.run(load_recipe(recipe_file, overrides("mixed_to_mixed")), out, resume=True)
    unbroken, resumed = (
        [(row["optimizer/tokens"], row["optimizer/grad_norm"]) for row in rows_of(run)]
        for run in (runs["mixed_to_mixed"], out)
    )
    assert unbroken == resumed


@pytest.mark.slow
def test_a_budget_that_the_first_stage_spends_is_told(recipe_file, tmp_path):
    with pytest.raises(
        ValueError, match=r"no token of training\.run_tokens is left for stage rl: the stages"
    ):
        pipeline.run(load_recipe(recipe_file, overrides("mixed_to_mixed", 10)), tmp_path / "out")


def test_the_tokens_of_all_stages_before_are_carried_on():
    third = Cursor(0, 3, tokens=20, weights_version=3).next_stage().next_stage()
    assert third == Cursor(2, tokens_before=20, weights_version=3)
