"""Every family learns through float32 masters of bfloat16 weights, and alike when ZeRO shards them."""

from functools import partial
from typing import Any

import pytest
import torch

from rlaudio.algorithms.sft import SFT
from rlaudio.config.plugins import load
from rlaudio.rollout.target_worker import TargetWorker
from rlaudio.training.credit import assign_credit
from rlaudio.training.learner import Learner, LearnerSettings
from rlaudio.training.strategies.plain import Plain
from tests.conftest import make_prompt
from tests.forking import Forked
from tests.settings import make_batching, optimizer_settings, sampling_params
from tests.training.test_learner import score

pytestmark = pytest.mark.slow

LR = 1e-3


def trained(name: str, folder: Any, strategy: Any, dtype: str, steps: int = 2) -> tuple[Any, Any, dict]:
    """The family after some steps of SFT, its learner, and its weights before."""
    family = load("model", name)(path=str(folder), device="cpu", dtype=dtype)
    before = {n: w.detach().clone() for n, w in family.named_weights()}
    optimizer = optimizer_settings(lr=LR, steps=steps, schedule="constant")
    settings = LearnerSettings(optimizer=optimizer, batching=make_batching(), strategy=strategy)
    learner = Learner(family, SFT(), settings)
    prompts = [make_prompt(family, seed, words=1 + seed) for seed in range(2)]
    groups = TargetWorker(family, "answer").generate(prompts, sampling_params(1), (0,))
    rows = assign_credit(score(groups, lambda completion: 0.0), learner.algorithm)
    for number in range(steps):
        learner.step(rows, number)
    learner.weights()
    return family, learner, before


def changes(family: Any, before: dict) -> dict[str, torch.Tensor]:
    return {n: w.detach().float() - before[n].float() for n, w in family.named_weights()}


def test_weights_in_bfloat16_are_their_float32_masters_rounded(name, folder):
    family, learner, before = trained(name, folder, Plain, "bfloat16")
    masters = learner.strategy._masters
    trained_in_half = {n: p for n, p in learner.strategy._parameters.items() if p.dtype == torch.bfloat16}
    assert len(trained_in_half) > 10
    for n, parameter in trained_in_half.items():
        assert masters[n].dtype == torch.float32
        assert torch.equal(parameter, masters[n].to(torch.bfloat16))
    kept_exactly = [n for n in trained_in_half if not torch.equal(masters[n], trained_in_half[n].float())]
    assert len(kept_exactly) > 10  # what a step of 1e-3 adds is more than bfloat16 holds
    assert any(bool(change.any()) for change in changes(family, before).values())


def save_changes_by_zero_3(name: str, folder: Any, dtype: str, file: Any) -> None:
    """To be forked: DeepSpeed leaves a process group behind, beside which vLLM opens no engine."""
    sharded = partial(load("strategy", "zero"), stage=3, whole_below=0)
    family, learner, before = trained(name, folder, sharded, dtype)
    torch.save(changes(family, before), file)
    assert all(hasattr(p, "ds_id") for p in learner.strategy.module.parameters())  # it did shard them


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 0.02), ("bfloat16", 0.5)])
def test_zero_3_makes_the_updates_of_plain_torch(name, folder, dtype, tolerance, tmp_path):
    """Of AdamW's steps, all about as long as the rate; where a gradient is noise they may point elsewhere."""
    expected = changes(*trained(name, folder, Plain, dtype)[::2])
    file = tmp_path / "changes.pt"
    done = Forked(save_changes_by_zero_3, name, folder, dtype, file, said=tmp_path / "said").ended()
    assert done.returncode == 0, done.stderr
    actual = torch.load(file)
    assert actual.keys() == expected.keys()
    apart = torch.cat([(actual[n] - expected[n]).abs().flatten() for n in expected])
    assert torch.cat([change.abs().flatten() for change in expected.values()]).mean() > 0.1 * LR
    assert apart.mean() < tolerance * LR
