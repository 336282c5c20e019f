"""Whole runs whose rollouts are sampled in vLLM, as the recipes for large models have them."""

import pytest
import torch

from rlaudio import pipeline
from rlaudio.config.recipe import load_recipe
from tests.conftest import TINY
from tests.forking import command_line, two_processes
from tests.pipeline.test_several_processes_run import EVEN, overrides, token_ids
from tests.pipeline.test_training_run import RECIPE

IN_VLLM = "rollout={use: vllm, kv_cache_gb: 0.5}"


@pytest.mark.slow
def test_two_processes_with_deepspeed_and_an_engine_each_sample_the_tokens_of_one(needs_vllm, tmp_path):
    recipe = tmp_path / "small.yaml"
    recipe.write_text(RECIPE.format(model=TINY, folder=tmp_path / "data"), encoding="utf-8")
    torch.set_num_threads(1)
    pipeline.run(load_recipe(recipe, [*EVEN, IN_VLLM]), tmp_path / "one")
    command = ["run", recipe, "--out", tmp_path / "two"]
    sharded = overrides("strategy={use: zero, stage: 2}", IN_VLLM)
    for done in two_processes(command_line, *command, *sharded, said=tmp_path / "said"):
        assert done.returncode == 0, done.stderr[-4000:]
    for rollouts in sorted((tmp_path / "one" / "rollouts").iterdir()):
        assert token_ids(rollouts) == token_ids(tmp_path / "two" / "rollouts" / rollouts.name), rollouts.name
