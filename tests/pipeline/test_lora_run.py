"""A whole run that trains an adapter: what it leaves behind. That it can be killed is in test_resume.py."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import Qwen2_5OmniThinkerForConditionalGeneration as Thinker

from rlaudio import pipeline
from rlaudio.config.recipe import load_recipe
from rlaudio.models.shared.model_paths import resolve_model_path
from tests.conftest import TINY
from tests.pipeline.test_training_run import RECIPE as SMALL_RUN

pytestmark = pytest.mark.slow

ADAPTER = "device: cpu, lora_rank: 4, lora_targets: [q_proj, v_proj, down_proj]"
RECIPE = SMALL_RUN.replace("device: cpu", ADAPTER)


@pytest.fixture(scope="module")
def unbroken(recipe_file, tmp_path_factory) -> Path:
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("runs") / "unbroken"
    pipeline.run(load_recipe(recipe_file), out)
    return out


def test_checkpoints_and_reference_hold_the_adapter_and_the_end_a_whole_model(unbroken):
    adapter = {"adapter_config.json", "adapter_model.safetensors"}
    kept = [*(unbroken / "checkpoints").glob("*/model"), unbroken / "reference" / "rl"]
    assert len(kept) == 3
    for folder in kept:
        assert {file.name for file in folder.iterdir()} == adapter
        assert json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"] == TINY
    plain, info = Thinker.from_pretrained(unbroken / "final", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert plain.get_output_embeddings().weight.dtype == torch.float32


def test_only_the_layers_that_carry_the_adapter_have_changed_at_the_end(unbroken):
    base, final = (
        load_file(Path(folder) / "model.safetensors")
        for folder in (resolve_model_path(TINY), unbroken / "final")
    )
    changed = {name for name, tensor in final.items() if not torch.equal(tensor, base[name])}
    assert {name.split(".")[-2] for name in changed} == {"q_proj", "v_proj", "down_proj"}
    assert len(changed) == 3 * 4 and all(name.startswith("thinker.model.layers.") for name in changed)


def test_the_first_rl_step_finds_no_distance_to_what_sft_left(unbroken):
    rows = [json.loads(line) for line in (unbroken / "metrics.jsonl").read_text().splitlines()]
    distances = [row["loss/kl"] for row in rows if row["stage"] == "rl"]
    assert distances[0] == pytest.approx(0.0, abs=1e-6) and distances[-1] > 1e-6
