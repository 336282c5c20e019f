"""The optimizer step: what it learns, what it refuses, and that batching changes nothing."""

import math

import numpy as np
import pytest
import torch

from rlaudio.algorithms.grpo import GRPO
from rlaudio.algorithms.sft import SFT
from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.rollout.targets import Targets
from rlaudio.rollout.transformers import Transformers
from rlaudio.strategies.strategy import OptimizerSettings
from rlaudio.training.credit import assign_credit, describe
from rlaudio.training.learner import Batching, Learner
from rlaudio.types import RewardFailure, Sampling, ScoredGroup
from tests.conftest import TINY, make_prompt

SETTINGS = OptimizerSettings(lr=3e-3, steps=20, schedule="constant")


def score(groups, reward):
    scored = []
    for group in groups:
        values = np.array([reward(c) for c in group.completions])
        scored.append(ScoredGroup(group, {"r": values}, values))
    return scored


def even_tokens(completion):
    return float(np.mean(completion.token_ids % 2 == 0))


def sampled(family, key=0, count=3, group_size=6, reward=even_tokens):
    prompts = [make_prompt(family, seed, words=1 + seed) for seed in range(count)]
    groups = Transformers(family).generate(
        prompts, Sampling(group_size, temperature=1.0, max_new_tokens=5), (key, "rl", 0)
    )
    return score(groups, reward)


def weights_of(family):
    return torch.cat([w.flatten() for _, w in family.named_weights()]).clone()


def test_grpo_makes_rewarded_completions_likelier(family):
    learner = Learner(family, GRPO(kl=0.0), SETTINGS)
    before = describe(sampled(family, key=99))["reward/r"]
    for step in range(12):
        learner.step(assign_credit(sampled(family, key=step), learner.algorithm), step)
    assert describe(sampled(family, key=99))["reward/r"] > before + 0.15


def test_sft_makes_the_target_likelier(family):
    prompts = [make_prompt(family, seed) for seed in range(3)]
    scored = score(Targets(family).generate(prompts, Sampling(1), ()), lambda c: 0.0)
    learner = Learner(family, SFT(), SETTINGS)
    losses = [learner.step(assign_credit(scored, SFT()), step)["loss/total"] for step in range(8)]
    assert losses[-1] < 0.5 * losses[0]


def test_at_the_first_update_the_ratio_is_one_and_the_kl_to_the_reference_zero(family):
    learner = Learner(family, GRPO(kl=0.1), SETTINGS, reference=family.frozen_copy())
    metrics = learner.step(assign_credit(sampled(family), learner.algorithm), 0)
    assert metrics["loss/ratio_mean"] == pytest.approx(1.0, abs=1e-4)
    assert metrics["loss/kl"] == pytest.approx(0.0, abs=1e-6)
    assert metrics["rollout/mismatch_max"] < 1e-4
    later = learner.step(assign_credit(sampled(family), learner.algorithm), 1)
    assert later["loss/kl"] > 0.0


def test_the_reference_does_not_move_with_the_policy(family):
    reference = family.frozen_copy()
    before = torch.cat([p.flatten() for p in reference.model.parameters()]).clone()
    learner = Learner(family, GRPO(kl=0.1), SETTINGS, reference=reference)
    learner.step(assign_credit(sampled(family), learner.algorithm), 0)
    assert torch.equal(before, torch.cat([p.flatten() for p in reference.model.parameters()]))


@pytest.mark.parametrize("batching", [Batching(micro_batch_tokens=1), Batching(prompt_once=False)])
def test_the_update_does_not_depend_on_how_rows_are_batched(family, batching):
    twin = family.frozen_copy()
    twin.model.requires_grad_(True)
    rows = assign_credit(sampled(family), GRPO())
    plain, other = (
        Learner(f, GRPO(kl=0.0), SETTINGS, batching=b).step(rows, 0)
        for f, b in ((family, Batching()), (twin, batching))
    )
    assert plain["optimizer/grad_norm"] == pytest.approx(other["optimizer/grad_norm"], rel=1e-4)
    assert plain["loss/total"] == pytest.approx(other["loss/total"], abs=1e-6)
    assert plain["loss/entropy"] == pytest.approx(other["loss/entropy"], rel=1e-4)


def test_gradient_checkpointing_changes_no_gradient(family):
    checkpointed = Qwen2_5Omni(path=TINY, device="cpu", gradient_checkpointing=True)
    rows = assign_credit(sampled(family), GRPO())
    norms = [
        Learner(f, GRPO(kl=0.0), SETTINGS).step(rows, 0)["optimizer/grad_norm"]
        for f in (family, checkpointed)
    ]
    assert norms[0] == pytest.approx(norms[1], rel=1e-5)


def test_groups_without_spread_are_not_computed_and_change_nothing(family):
    scored = sampled(family, reward=lambda completion: 1.0)
    assert describe(scored)["group/no_spread"] == 1.0
    before = weights_of(family)
    metrics = Learner(family, GRPO(kl=0.0), SETTINGS).step(assign_credit(scored, GRPO()), 0)
    assert metrics["optimizer/tokens"] == 0.0
    assert torch.equal(before, weights_of(family))


def test_dropped_samples_stay_out_of_the_batch(family):
    one = sampled(family, count=1)[0]
    total = one.total.copy()
    total[2] = np.nan
    failures = (RewardFailure("r", one.group.prompt.question.id, 2, "broke"),)
    (row,) = assign_credit([ScoredGroup(one.group, {"r": total}, total, failures)], GRPO())
    assert len(row.branches) == len(one.total) - 1
    assert describe([ScoredGroup(one.group, {"r": total}, total, failures)])["reward/failures"] == 1.0


def test_an_update_that_would_not_be_finite_is_not_made(family):
    scored = sampled(family)
    rows = assign_credit(scored, GRPO(kl=0.0))
    with torch.no_grad():
        family.head.weight[7] = float("nan")
    before = weights_of(family)
    with pytest.raises(FloatingPointError, match=r"loss/.*NaN or infinite; the update was not made"):
        Learner(family, GRPO(kl=0.0), SETTINGS).step(rows, 0)
    assert torch.equal(before.nan_to_num(), weights_of(family).nan_to_num())


def test_frozen_parts_do_not_move_and_the_rest_does():
    family = Qwen2_5Omni(path=TINY, device="cpu", freeze=("audio_tower", "projector"))
    tower = torch.cat([p.flatten() for p in family.model.audio_tower.parameters()]).clone()
    before = weights_of(family)
    Learner(family, GRPO(kl=0.0), SETTINGS).step(assign_credit(sampled(family), GRPO()), 0)
    assert torch.equal(tower, torch.cat([p.flatten() for p in family.model.audio_tower.parameters()]))
    assert not torch.equal(before, weights_of(family))


def test_an_algorithm_that_needs_a_reference_is_refused_without_one(family):
    with pytest.raises(ValueError, match="reference policy"):
        Learner(family, GRPO(kl=0.1), SETTINGS)


def test_the_learning_rate_warms_up_and_follows_the_cosine_to_zero():
    settings = OptimizerSettings(lr=1.0, steps=10, warmup=0.2)
    rates = [settings.lr_at(step) for step in range(11)]
    assert rates[:3] == [0.5, 1.0, 1.0]
    assert rates[6] == pytest.approx(0.5) and rates[10] == pytest.approx(0.0)
    assert rates[4] == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))
