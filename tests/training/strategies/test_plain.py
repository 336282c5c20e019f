"""The plain strategy: weights in bfloat16 learn through float32 master copies."""

import numpy as np
import pytest
import torch

from rlaudio.algorithms.sft import SFT
from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.rollout.target_worker import TargetWorker
from rlaudio.training.credit import assign_credit
from rlaudio.training.learner import Learner, LearnerSettings
from rlaudio.training.packing import pack
from rlaudio.training.policy import token_logprobs
from rlaudio.training.strategies import plain as plain_strategy
from rlaudio.training.strategies.plain import Plain
from rlaudio.utils.processes import ALONE
from tests.conftest import TINY, make_prompt
from tests.settings import make_batching, optimizer_settings, sampling_params
from tests.training.test_learner import score
from tests.training.test_packing import make_rows

SMALL = optimizer_settings(lr=1e-4, steps=100, schedule="constant")


class One(torch.nn.Module):
    """One weight of 1, whose gradient is always 1: AdamW takes lr off it in each step."""

    def __init__(self, dtype):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones((), dtype=dtype))

    def forward(self, batch):
        return self.weight * 1.0


def step(plain: Plain) -> None:
    list(plain.accumulate(lambda batch: (plain.forward(batch).float(), None), [None]))
    plain.update(1.0)


def after(steps, dtype) -> Plain:
    plain = Plain(One(dtype), SMALL, ALONE)
    for _ in range(steps):
        step(plain)
    return plain


def test_steps_too_small_for_bfloat16_add_up_in_the_master():
    lone = torch.nn.Parameter(torch.ones((), dtype=torch.bfloat16))
    optimizer = torch.optim.AdamW([lone], lr=SMALL.lr, weight_decay=0.0)
    for _ in range(50):
        lone.grad = torch.ones_like(lone)
        optimizer.step()
    assert lone.item() == 1.0  # numbers just below 1 lie 2**-8 apart; a step of 1e-4 is rounded away
    trained = after(50, torch.bfloat16).module.weight
    assert trained.dtype == torch.bfloat16 and trained.item() == 1.0 - 2**-8  # 1 - 50 * 1e-4, rounded
    assert after(50, torch.float32).module.weight.item() == pytest.approx(1.0 - 50e-4, abs=1e-6)


def test_float16_is_refused():
    with pytest.raises(ValueError, match="plain trains float32 or bfloat16 and found float16"):
        after(0, torch.float16)


def test_masters_come_back_with_the_state():
    there = after(10, torch.bfloat16)
    assert there.module.weight.item() == 1.0
    again = Plain(One(torch.bfloat16), SMALL, ALONE)
    again.load_state_dict(there.state_dict())
    for plain in (there, again):
        for _ in range(15):  # 25 in all round to the number below 1, and 15 from a master of 1 would not
            step(plain)
    assert again.module.weight.item() == there.module.weight.item() == 1.0 - 2**-8


def test_logprobs_in_bfloat16_are_those_of_float32_within_its_precision(shared_family):
    half = Qwen2_5Omni(path=TINY, device="cpu", dtype="bfloat16")
    rows = make_rows(shared_family)
    with torch.no_grad():
        exact, rounded = (token_logprobs(f, pack(rows)).logprobs for f in (shared_family, half))
    assert rounded.dtype == torch.float32 and rounded.isfinite().all()
    assert (exact - rounded).abs().mean() < 0.1 and not torch.equal(exact, rounded)


@pytest.mark.slow
def test_a_bfloat16_model_learns_at_a_rate_that_its_own_precision_would_lose():
    family = Qwen2_5Omni(path=TINY, device="cpu", dtype="bfloat16", gradient_checkpointing=True)
    prompts = [make_prompt(family, seed) for seed in range(3)]
    rows = assign_credit(
        score(TargetWorker(family, "answer").generate(prompts, sampling_params(1), ()), lambda c: 0.0), SFT()
    )
    learner = Learner(family, SFT(), LearnerSettings(optimizer=SMALL, batching=make_batching()))
    before = family.head.weight.detach().clone()
    losses = [learner.step(rows, step)["loss/total"] for step in range(15)]
    assert np.isfinite(losses).all() and losses[-1] < 0.9 * losses[0]
    large = before.abs() > 2**-4  # there a single step of the learning rate rounds to nothing
    assert torch.equal((before - SMALL.lr)[large], before[large])
    assert (family.head.weight != before)[large].float().mean() > 0.2


def test_small_gradients_share_a_message_and_large_ones_are_not_copied(monkeypatch):
    messages = []

    def all_reduce(tensor):
        messages.append((tensor.numel(), tensor.data_ptr()))
        tensor.mul_(2)  # as with another process of the same gradients

    monkeypatch.setattr(plain_strategy.dist, "all_reduce", all_reduce)
    monkeypatch.setattr(plain_strategy, "MESSAGE_NUMBERS", 6)
    tensors = [torch.ones(shape) for shape in [(2,), (2, 2), (3, 3), (1,), (5,), (1, 7)]]
    plain_strategy._sum_over_processes(tensors)
    assert [count for count, _ in messages] == [6, 9, 6, 7]
    assert {messages[1][1], messages[3][1]} == {tensors[2].data_ptr(), tensors[5].data_ptr()}
    assert all(torch.equal(tensor, torch.full_like(tensor, 2.0)) for tensor in tensors)
