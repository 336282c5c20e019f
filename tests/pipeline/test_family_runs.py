"""A whole run of every family on its small random model: RL from silence to report."""

import json
from typing import Any

import pytest
import torch

from rlaudio import pipeline
from rlaudio.config.plugins import load
from rlaudio.config.recipe import load_recipe
from tests.models.small_models import MODELS, write_model

pytestmark = pytest.mark.slow

RECIPE = """
threads: 1
model: {{use: {family}, path: {model}, device: cpu}}
data:
  train: {{use: synthetic, split: train, count: 12, folder: {folder}}}
contribution: {{voters: []}}
curriculum: {{use: rl_only, rl_steps: 3}}
algorithm: {{use: grpo, kl: 0.01}}
rewards: {{vowels: {{use: {reward}}}}}
sampling: {{questions: 2, group_size: 3, temperature: 1.2, top_k: 8, max_new_tokens: 6}}
optimizer: {{lr: 1.0e-3}}
"""
REWARD = '''
def vowels(question, completion, *, each: float = 1.0) -> float:
    """Differs between completions of random tokens, of which no answer is right."""
    return each * sum(letter in "aeiou" for letter in completion.text)
'''


@pytest.mark.parametrize("family", list(MODELS))
def test_three_steps_of_grpo_train_the_model_and_end_in_a_folder_that_opens(family, tmp_path):
    torch.set_num_threads(1)
    model = write_model(family, tmp_path / "model")
    (tmp_path / "vowels.py").write_text(REWARD, encoding="utf-8")
    recipe = tmp_path / "small.yaml"
    recipe.write_text(
        RECIPE.format(family=family, model=model, folder=tmp_path / "data", reward=tmp_path / "vowels.py"),
        encoding="utf-8",
    )
    out = tmp_path / "run"
    pipeline.run(load_recipe(recipe), out)
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert len(rows) == 3 and all(row["rollout/mismatch_max"] < 1e-4 for row in rows)
    assert (out / "report.html").is_file()
    before, after = (
        weights(load("model", family)(path=str(f), device="cpu")) for f in (model, out / "final")
    )
    assert before.keys() == after.keys()
    assert any(not torch.equal(tensor, after[name]) for name, tensor in before.items())


def weights(family: Any) -> dict[str, torch.Tensor]:
    return dict(family.checkpoint_weights(whole=True))
