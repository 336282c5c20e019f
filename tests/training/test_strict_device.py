"""Sampling and training where the model is on another device than the CPU, without a GPU."""

from dataclasses import replace

import pytest
import torch

from rlaudio.algorithms.contribution_weighted import ContributionWeighted
from rlaudio.algorithms.grpo import GRPO
from rlaudio.algorithms.papo import PAPO
from rlaudio.algorithms.ppo import PPO
from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.rollout.canary import Canary
from rlaudio.rollout.transformers import Transformers
from rlaudio.training.credit import assign_credit
from rlaudio.training.learner import Learner
from tests.algorithms.test_training import sampled, signals
from tests.conftest import TINY, fresh
from tests.rollout.conftest import KEY, prompts_of
from tests.rollout.test_worker import DISTRIBUTIONS, largest_gap, tokens
from tests.settings import learner_settings, make_batching
from tests.strict_device import OnDevice, strict_device
from tests.training.test_signals import silent

SETTINGS = learner_settings(lr=1e-3, steps=10, schedule="constant")
ALGORITHMS = [GRPO(kl=0.1), PPO(kl=0.0), PAPO(kl=0.0, gamma=0.1, entropy=0.1), ContributionWeighted(kl=0.0)]
FAMILIES = [{"lora_rank": 4}, {"freeze": ("audio_tower", "projector")}, {"gradient_checkpointing": True}]


@pytest.fixture
def on_cpu():
    return fresh()


@pytest.fixture
def device(monkeypatch):
    with strict_device(monkeypatch) as device:
        yield device


def moved(options, device) -> Qwen2_5Omni:
    family = Qwen2_5Omni(path=TINY, device="cpu", **options)
    family.model.to(device)
    family.device = device
    return family


def test_a_tensor_that_was_left_on_the_cpu_is_found(device):
    here = torch.ones(3, device=device)
    assert isinstance(here, OnDevice) and here.sum().item() == 3.0
    with pytest.raises(RuntimeError, match=r"add\.Tensor: a tensor \(3,\) was left on the CPU"):
        here + torch.ones(3)
    with pytest.raises(RuntimeError, match=r"index\.Tensor: a tensor \(3,\) was left on the CPU"):
        torch.ones(3)[torch.tensor([1], device=device)]


def test_greedy_tokens_are_those_on_the_cpu(on_cpu, device):
    expected = tokens(Transformers(on_cpu).generate(prompts_of(on_cpu), DISTRIBUTIONS[-1], KEY))
    family = moved({}, device)
    assert tokens(Transformers(family).generate(prompts_of(family), DISTRIBUTIONS[-1], KEY)) == expected


@pytest.mark.parametrize("sampling", DISTRIBUTIONS, ids=str)
def test_training_computes_the_logprobs_that_sampling_reported(sampling, device):
    family = moved({}, device)
    groups = Transformers(family).generate(prompts_of(family), sampling, KEY)
    assert largest_gap(family, groups, sampling) < 1e-4


def test_the_canary_compares(device):
    family = moved({}, device)
    assert Canary(family).check(Transformers(family).generate, "opening") < 1e-4


def two_updates(family, algorithm):
    """The metrics of a step of two epochs, less what a device may compute once for all rows."""
    learner = Learner(
        family,
        algorithm,
        replace(SETTINGS, batching=make_batching(epochs=2)),
        reference=family.frozen_copy(),
        silent_prompt=silent(family),
    )
    scored = sampled(family)
    metrics = learner.step(assign_credit(scored, algorithm, signals=signals(algorithm, scored)), 0)
    del metrics["optimizer/computed_tokens"]
    return metrics


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda a: type(a).__name__)
def test_a_step_of_any_algorithm_is_that_of_the_cpu(on_cpu, device, algorithm):
    assert two_updates(moved({}, device), algorithm) == pytest.approx(
        two_updates(on_cpu, algorithm), rel=1e-4, abs=1e-5
    )


@pytest.mark.slow
@pytest.mark.parametrize("options", FAMILIES, ids=str)
def test_a_step_of_any_kind_of_model_is_that_of_the_cpu(device, options):
    on_cpu = Qwen2_5Omni(path=TINY, device="cpu", **options)
    assert two_updates(moved(options, device), GRPO(kl=0.1)) == pytest.approx(
        two_updates(on_cpu, GRPO(kl=0.1)), rel=1e-4, abs=1e-5
    )
