"""The optimizer step: what it learns, what it refuses, and that batching changes nothing."""

import copy
import gc
import math
import time
import weakref
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import pytest
import torch

from rlaudio.algorithms.grpo import GRPO
from rlaudio.algorithms.papo import PAPO
from rlaudio.algorithms.ppo import PPO
from rlaudio.algorithms.sft import SFT
from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.rollout.target_worker import TargetWorker
from rlaudio.rollout.transformers import Transformers
from rlaudio.training import packing
from rlaudio.training.credit import assign_credit, describe_groups
from rlaudio.training.learner import Correction, Learner
from rlaudio.training.packing import pack
from rlaudio.training.policy import Distribution, token_logprobs
from rlaudio.training.sampling import Sampled
from rlaudio.training.signals import measure_signals
from rlaudio.types import Completion, Group, RewardFailure, ScoredGroup
from rlaudio.utils.shared_cores import CORES
from tests.conftest import TINY, fresh, make_prompt
from tests.settings import learner_settings, make_batching, optimizer_settings, sampling_params

SETTINGS = learner_settings(lr=3e-3, steps=20, schedule="constant")


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
        prompts, sampling_params(group_size, temperature=1.0, max_new_tokens=5), (key, "rl", 0)
    )
    return score(groups, reward)


def weights_of(family):
    return torch.cat([w.flatten() for _, w in family.named_weights()]).clone()


def test_grpo_makes_rewarded_completions_likelier(family):
    learner = Learner(family, GRPO(kl=0.0), SETTINGS)
    before = describe_groups(sampled(family, key=99))["reward/r"]
    for step in range(12):
        learner.step(assign_credit(sampled(family, key=step), learner.algorithm), step)
    assert describe_groups(sampled(family, key=99))["reward/r"] > before + 0.15


def test_sft_makes_the_target_likelier(family):
    prompts = [make_prompt(family, seed) for seed in range(3)]
    scored = score(TargetWorker(family, "answer").generate(prompts, sampling_params(1), ()), lambda c: 0.0)
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


@pytest.mark.parametrize("batching", [make_batching(micro_batch_tokens=1), make_batching(prompt_once=False)])
def test_the_update_does_not_depend_on_how_rows_are_batched(family, batching):
    twin = fresh()
    rows = assign_credit(sampled(family), GRPO())
    plain, other = (
        Learner(f, GRPO(kl=0.0), replace(SETTINGS, batching=b)).step(rows, 0)
        for f, b in ((family, make_batching()), (twin, batching))
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
    assert describe_groups(scored)["group/no_spread"] == 1.0
    before = weights_of(family)
    metrics = Learner(family, GRPO(kl=0.0), SETTINGS).step(assign_credit(scored, GRPO()), 0)
    assert metrics["optimizer/tokens"] == 0.0
    assert torch.equal(before, weights_of(family))


def test_dropped_samples_stay_out_of_the_batch(family):
    scored = sampled(family, count=1)[0]
    total = scored.total.copy()
    total[2] = np.nan
    failures = (RewardFailure("r", scored.group.prompt.question.id, 2, "broke"),)
    (row,) = assign_credit([ScoredGroup(scored.group, {"r": total}, total, failures)], GRPO())
    assert len(row.branches) == len(scored.total) - 1
    assert (
        describe_groups([ScoredGroup(scored.group, {"r": total}, total, failures)])["reward/failures"] == 1.0
    )


@pytest.mark.parametrize("empty", [1, 6])
def test_completions_without_tokens_change_nothing_and_are_measured_with_the_others(family, empty):
    (group,) = sampled(family, count=1)
    completions = [
        Completion.single_turn(c.token_ids[:0], c.logprobs[:0], "", (), "stop", 0) if n < empty else c
        for n, c in enumerate(group.group.completions)
    ]
    with_empty = replace(group, group=Group(group.group.prompt, tuple(completions)))
    step = Sampled([with_empty], [0], {0: with_empty}, drawn=1)
    learner = Learner(family, PPO(kl=0.0), SETTINGS)
    values = measure_signals(step, learner, None, (0,))
    rows = assign_credit([with_empty], learner.algorithm, signals=values)
    metrics = learner.step(step.local_rows(rows), 0)
    assert metrics["optimizer/tokens"] == sum(c.length for c in completions)
    assert metrics["optimizer/updates"] == (1.0 if empty < 6 else 0.0)


def test_an_update_that_would_not_be_finite_is_not_made(family):
    scored = sampled(family)
    rows = assign_credit(scored, GRPO(kl=0.0))
    with torch.no_grad():
        family.head.weight[7] = float("nan")
    before = weights_of(family)
    with pytest.raises(
        FloatingPointError,
        match=r"loss/.*NaN or infinite among 3 questions \(q0, q1, q2\); the update was not made",
    ):
        Learner(family, GRPO(kl=0.0), SETTINGS).step(rows, 0)
    assert torch.equal(before.nan_to_num(), weights_of(family).nan_to_num())


def test_frozen_parts_do_not_move_and_the_rest_does():
    family = Qwen2_5Omni(path=TINY, device="cpu", freeze=("audio_tower", "projector"))
    tower = torch.cat([p.flatten() for p in family.model.audio_tower.parameters()]).clone()
    before = weights_of(family)
    Learner(family, GRPO(kl=0.0), SETTINGS).step(assign_credit(sampled(family), GRPO()), 0)
    assert torch.equal(tower, torch.cat([p.flatten() for p in family.model.audio_tower.parameters()]))
    assert not torch.equal(before, weights_of(family))


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        (GRPO(kl=0.1), "needs reference; expected a reference policy to measure it by, found"),
        (PAPO(kl=0.0), "needs silence; expected a way to make silent prompts to measure it by"),
        (PAPO(kl=0.0, gradient="both"), "needs silence_gradient; expected a way to make silent prompts"),
    ],
)
def test_an_algorithm_is_refused_where_nothing_can_measure_what_it_needs(family, algorithm, expected):
    with pytest.raises(ValueError, match=rf"^this algorithm {expected}"):
        Learner(family, algorithm, SETTINGS)


def test_only_what_the_algorithm_needs_is_measured_of_what_could_be(family):
    def measured(algorithm):
        learner = Learner(
            family, algorithm, SETTINGS, reference=family.frozen_copy(), silent_prompt=lambda prompt: prompt
        )
        return [(signal.name, signal.with_gradient) for signal in learner.signals]

    assert measured(GRPO(kl=0.0)) == []
    assert measured(GRPO(kl=0.1)) == [("reference", False)]
    assert measured(PAPO(kl=0.1)) == [("reference", False), ("silence", False)]
    assert measured(PAPO(kl=0.0, gradient="both")) == [("silence", True)]


def test_prompts_in_silence_are_at_hand_only_where_they_are_asked_about(family):
    def silent_prompt(prompt):
        return prompt

    plain, silent = (
        Learner(family, algorithm, SETTINGS, silent_prompt=silent_prompt).silent_prompt
        for algorithm in (GRPO(kl=0.0), PAPO(kl=0.0))
    )
    assert plain is None and silent is silent_prompt


def test_a_learner_that_is_let_go_leaves_memory_at_once(family):
    gc.collect()
    gc.disable()  # what holds itself would wait for the collector, and a GPU for that
    try:
        gone = weakref.ref(Learner(family, GRPO(kl=0.1), SETTINGS, reference=family.frozen_copy()))
        assert gone() is None
    finally:
        gc.enable()


def test_a_critic_has_a_head_and_learns_at_the_rate_of_the_algorithm(family):
    learner = Learner(family, PPO(kl=0.0, value_lr=0.25), SETTINGS)
    assert learner.policy.value_head is not None
    assert [group["peak"] for group in learner.strategy.optimizer.param_groups] == [
        SETTINGS.optimizer.lr,
        0.25,
    ]
    assert Learner(family, GRPO(kl=0.0), SETTINGS).policy.value_head is None


def test_the_learning_rate_warms_up_and_follows_the_cosine_to_zero():
    settings = optimizer_settings(lr=1.0, steps=10, warmup=0.2, schedule="cosine")
    rates = [settings.factor_at(step) for step in range(11)]
    assert rates[:3] == [0.5, 1.0, 1.0]
    assert rates[6] == pytest.approx(0.5) and rates[10] == pytest.approx(0.0)
    assert rates[4] == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))


def test_a_step_is_taken_at_the_learning_rate_of_its_number(family):
    rows = assign_credit(sampled(family), GRPO(kl=0.0))
    learner = Learner(family, GRPO(kl=0.0), learner_settings(lr=3e-3, steps=20, schedule="linear"))
    metrics = learner.step(rows, 15)
    assert metrics["optimizer/lr"] == learner.strategy.optimizer.param_groups[0]["lr"] == 3e-3 / 4


def logged_and_used(family, algorithm, settings, step) -> tuple[dict[str, float], list[list[float]]]:
    """The learning rates that a step logs, and those of every optimizer step in it, by parameter group."""
    learner = Learner(family, algorithm, settings)
    used: list[list[float]] = []
    learner.strategy.optimizer.register_step_pre_hook(
        lambda optimizer, *_: used.append([group["lr"] for group in optimizer.param_groups])
    )
    groups = sampled(family)
    drawn = Sampled(groups, list(range(len(groups))), dict(enumerate(groups)), drawn=len(groups))
    rows = assign_credit(groups, algorithm, signals=measure_signals(drawn, learner, None, ()))
    metrics = learner.step(rows, step)
    return {name: value for name, value in metrics.items() if name.endswith("lr")}, used


WARM = learner_settings(lr=4e-3, steps=20, schedule="cosine", warmup=0.2)  # 4 steps of warm-up


@pytest.mark.parametrize(
    ("step", "rate"), [(0, 1e-3), (1, 2e-3), (3, 4e-3), (4, 4e-3), (12, 2e-3), (19, 3.842944e-5)]
)
def test_the_logged_rate_is_that_of_every_update_of_the_step_from_the_first_of_warm_up_on(family, step, rate):
    twice = replace(WARM, batching=make_batching(epochs=2))
    logged, used = logged_and_used(family, GRPO(kl=0.0), twice, step)
    assert used == [[logged["optimizer/lr"]]] * 2
    assert logged == {"optimizer/lr": pytest.approx(rate, rel=1e-6)}


def test_a_value_head_has_its_own_logged_rate(family):
    logged, used = logged_and_used(family, PPO(kl=0.0, value_lr=0.5), WARM, 0)
    assert used == [[1e-3, 0.125]]
    assert logged == {"optimizer/lr": 1e-3, "optimizer/value_lr": 0.125}


def test_a_step_without_updates_used_no_learning_rate(family):
    metrics = Learner(family, GRPO(kl=0.0), WARM).step([], 5)
    assert (metrics["optimizer/updates"], metrics["optimizer/lr"]) == (0.0, 0.0)


def test_sampler_and_trainer_are_compared_before_the_policy_moves(family):
    twin = fresh()
    rows = assign_credit(sampled(family), GRPO(kl=0.0))
    once = Learner(twin, GRPO(kl=0.0), SETTINGS).step(rows, 0)
    twice = Learner(family, GRPO(kl=0.0), replace(SETTINGS, batching=make_batching(epochs=2))).step(rows, 0)
    for name in ("rollout/mismatch_mean", "rollout/mismatch_max", "rollout/mismatch_pearson"):
        assert twice[name] == once[name], name


def test_mini_batches_are_updates_one_after_the_other(family):
    twin = fresh()
    scored = sampled(family, count=4)
    learner = Learner(family, GRPO(kl=0.0), replace(SETTINGS, batching=make_batching(mini_batches=2)))
    metrics = learner.step(assign_credit(scored, GRPO(kl=0.0), mini_batches=2), 0)
    assert metrics["optimizer/updates"] == 2.0
    one_by_one = Learner(twin, GRPO(kl=0.0), SETTINGS)
    for half in (scored[:2], scored[2:]):
        one_by_one.step(assign_credit(half, GRPO(kl=0.0)), 0)
    torch.testing.assert_close(weights_of(family), weights_of(twin), atol=1e-6, rtol=0)


def test_the_second_epoch_learns_from_the_same_rows_with_a_moved_policy(family):
    twin = fresh()
    rows = assign_credit(sampled(family), GRPO(kl=0.0))
    Learner(family, GRPO(kl=0.0), replace(SETTINGS, batching=make_batching(epochs=2))).step(rows, 0)
    twice = Learner(twin, GRPO(kl=0.0), SETTINGS)
    first, second = twice.step(rows, 0), twice.step(rows, 0)
    assert first["loss/ratio_mean"] == pytest.approx(1.0, abs=1e-4) != second["loss/ratio_mean"]
    torch.testing.assert_close(weights_of(family), weights_of(twin), atol=1e-6, rtol=0)


def shifted(rows, by):
    """The rows as a sampler would have reported them that is off by `by` nats on every token."""
    return [
        replace(row, branches=tuple(replace(b, logprobs=b.logprobs + np.float32(by)) for b in row.branches))
        for row in rows
    ]


class Seen(GRPO):
    """GRPO that keeps what its loss was given."""

    tokens: ClassVar[list] = []

    def loss(self, tokens):
        self.tokens.append(tokens)
        return super().loss(tokens)


CORRECTED = [  # by, and what a token of a completion of a length counts where the sampler is off by -0.3
    ("token", lambda length: math.exp(0.3)),
    ("sequence", lambda length: min(1.5, math.exp(0.3 * length))),
]
UNCORRECTED = [("none", lambda length: 1.0), ("off", lambda length: 1.0)]


@pytest.mark.parametrize(("by", "factor"), UNCORRECTED + CORRECTED)
def test_importance_correction_multiplies_advantages_by_trainer_over_sampler(family, by, factor):
    rows = assign_credit(sampled(family, count=1), GRPO())
    Seen.tokens.clear()
    learner = Learner(family, Seen(kl=0.0), replace(SETTINGS, correction=Correction(by=by, cap=1.5)))
    metrics = learner.step(shifted(rows, -0.3), 0)
    assert metrics["rollout/mismatch_mean"] == pytest.approx(0.3, abs=1e-4)
    (tokens,) = Seen.tokens
    expected = [a * factor(len(b.token_ids)) for b in rows[0].branches for a in b.advantages]
    assert tokens.advantages.tolist() == pytest.approx(expected, rel=1e-3)
    assert tokens.weights.tolist() == pytest.approx([b.weight for b in rows[0].branches for _ in b.token_ids])
    ratio = (tokens.logprobs - tokens.old_logprobs).exp().detach()
    assert ratio.tolist() == pytest.approx([math.exp(0.3) if by == "none" else 1.0] * len(ratio), rel=1e-3)


@pytest.mark.parametrize(("by", "factor"), CORRECTED)
def test_importance_correction_weighs_the_policy_term_and_neither_kl_nor_value_error(family, by, factor):
    scored = sampled(family, count=2)
    step = Sampled(scored, [0, 1], dict(enumerate(scored)), drawn=2)
    reference = family.frozen_copy()
    with torch.no_grad():
        reference.head.weight.mul_(0.5)
    settings = replace(SETTINGS, correction=Correction(by=by, cap=1.5))
    learner = Learner(family, PPO(kl=0.1, value_weight=2.0), settings, reference=reference)
    signals = measure_signals(step, learner, None, (0,))
    rows = learner.prepare(shifted(assign_credit(scored, learner.algorithm, signals=signals), -0.3))
    batch = pack(rows)
    tokens = learner.tokens(rows, batch, learner.strategy.forward(batch))
    loss = learner.algorithm.loss(tokens)

    branches = [b for row in rows for b in row.branches]
    weights = torch.cat([torch.full((len(b.token_ids),), b.weight) for b in branches])
    policy = torch.cat([-torch.from_numpy(b.advantages) * factor(len(b.token_ids)) for b in branches])
    gap = tokens.signals["reference"] - tokens.logprobs
    kl = gap.exp() - gap - 1.0
    value = 0.5 * (tokens.signals["values"] - tokens.signals["returns"]).square()
    expected = weights * (policy + 0.1 * kl + 2.0 * value)  # at ratio 1, before any value has moved
    assert (weights * kl).sum() > 0.01 and (weights * value).sum() > 0.01
    torch.testing.assert_close(tokens.weights, weights)
    torch.testing.assert_close(loss.total, expected.sum().float(), atol=1e-4, rtol=1e-4)


def test_with_several_updates_the_ratio_is_taken_to_the_policy_at_the_start_of_the_step(family):
    rows = assign_credit(sampled(family, count=1), GRPO())
    with torch.no_grad():
        start = token_logprobs(family, pack(rows)).logprobs
    Seen.tokens.clear()
    correction = Correction(by="token", cap=2.0)
    settings = replace(SETTINGS, correction=correction, batching=make_batching(epochs=2))
    learner = Learner(family, Seen(kl=0.0), settings)
    learner.step(shifted(rows, -0.3), 0)
    for tokens in Seen.tokens:
        torch.testing.assert_close(tokens.old_logprobs, start, atol=1e-5, rtol=0)
    assert not torch.equal(Seen.tokens[0].logprobs, Seen.tokens[1].logprobs)


def test_the_papers_log_probs_ignore_the_sampling_support_and_the_mismatch_does_not(family):
    prompts = [make_prompt(family, 1)]
    sampling = sampling_params(6, temperature=1.5, top_k=4, max_new_tokens=5)
    rows = assign_credit(score(Transformers(family).generate(prompts, sampling, (0,)), even_tokens), GRPO())
    learned, mismatch = {}, {}
    for on_support in (True, False):
        Seen.tokens.clear()
        distribution = Distribution(temperature=1.5, on_support=on_support)
        learner = Learner(fresh(), Seen(kl=0.0), replace(SETTINGS, distribution=distribution))
        mismatch[on_support] = learner.step(rows, 0)["rollout/mismatch_mean"]
        learned[on_support] = Seen.tokens[0].logprobs
    assert float((learned[True] - learned[False]).detach().abs().mean()) > 0.05
    assert max(mismatch.values()) < 1e-4


def test_the_correlation_of_sampler_and_trainer_is_pearsons(family):
    rows = assign_credit(sampled(family), GRPO())
    rng = np.random.default_rng(0)
    noisy = [
        replace(
            row,
            branches=tuple(
                replace(b, logprobs=b.logprobs + rng.normal(size=len(b.logprobs)).astype(np.float32))
                for b in row.branches
            ),
        )
        for row in rows
    ]
    with torch.no_grad():
        trainer = torch.cat([token_logprobs(family, pack([row])).logprobs for row in noisy]).numpy()
    sampler = np.concatenate([b.logprobs for row in noisy for b in row.branches])
    actual = Learner(family, GRPO(kl=0.0), SETTINGS).step(noisy, 0)["rollout/mismatch_pearson"]
    assert actual == pytest.approx(np.corrcoef(trainer, sampler)[0, 1], abs=1e-4)


@dataclass(frozen=True)
class WeighedBySeen(GRPO):
    """Weighs a micro-batch by how many tokens came before it in the update."""

    seen: list[int] = field(default_factory=list)

    def loss(self, tokens):
        loss = super().loss(tokens)
        before, own = sum(self.seen), len(tokens.logprobs)
        time.sleep(0.002 * (before == 0))  # the next one would be first
        self.seen.append(own)
        return replace(loss, total=loss.total * (1 + before))


@pytest.mark.parametrize("given", [GRPO(kl=0.1), PPO(), PAPO(), WeighedBySeen(kl=0.1)])
def test_micro_batches_side_by_side_train_as_one_after_another(family, monkeypatch, given):
    """Bit for bit: gradients are added in the order of the micro-batches, whichever ended first."""
    monkeypatch.setattr(packing, "LANE_TOKENS", 1)
    batching = make_batching(lanes=2, micro_batch_tokens=150)
    scored = sampled(family, count=6)
    results = []
    for most in (1, 2):
        monkeypatch.setattr(CORES, "most", most)
        twin, algorithm = fresh(), copy.deepcopy(given)
        learner = Learner(
            twin,
            algorithm,
            replace(SETTINGS, batching=batching),
            reference=twin.frozen_copy(),
            silent_prompt=lambda prompt: prompt,
        )
        drawn = Sampled(scored, list(range(6)), dict(enumerate(scored)), drawn=6)
        rows = assign_credit(scored, algorithm, signals=measure_signals(drawn, learner, None, ()))
        assert len(list(learner.micro_batches(rows, 0))) > 2
        metrics = learner.step(rows, 0)
        results.append((metrics, weights_of(twin)))
    (one_by_one, expected), (metrics, weights) = results
    assert metrics == one_by_one
    assert torch.equal(weights, expected) and not torch.equal(weights, weights_of(family))
