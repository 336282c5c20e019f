"""What holds for every algorithm, or for every one of a kind."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rlaudio.algorithms.algorithm import Need, Samples, Tokens
from rlaudio.algorithms.cispo import CISPO
from rlaudio.algorithms.contribution_weighted import ContributionWeighted
from rlaudio.algorithms.dapo import DAPO
from rlaudio.algorithms.dppo import DPPO
from rlaudio.algorithms.gdpo import GDPO
from rlaudio.algorithms.grpo import GRPO
from rlaudio.algorithms.gspo import GSPO
from rlaudio.algorithms.kl import kl_estimate
from rlaudio.algorithms.mapo import MAPO
from rlaudio.algorithms.maxrl import MaxRL
from rlaudio.algorithms.papo import PAPO
from rlaudio.algorithms.ppo import PPO
from rlaudio.algorithms.reinforce_pp import ReinforcePP
from rlaudio.algorithms.rloo import RLOO
from rlaudio.algorithms.sapo import SAPO
from rlaudio.algorithms.vespo import VESPO
from tests.algorithms.batches import ALGORITHMS, packed, random_completions, random_samples, samples

GROUP_MEAN = (
    GRPO(),
    GRPO(scale="none"),
    DAPO(),
    GSPO(),
    CISPO(),
    RLOO(),
    ReinforcePP(baseline="group"),
    GDPO(),
    PAPO(),
    ContributionWeighted(),
    DPPO(),
    SAPO(),
    VESPO(),
    MAPO(),
)
SUM_TO_ZERO = (*GROUP_MEAN, MaxRL())
EVERY = (*SUM_TO_ZERO, ReinforcePP(), PPO())
grid = st.binary(min_size=16, max_size=16).map(lambda drawn: rewards_of(*drawn))  # one draw, not fifteen
logprobs = arrays(np.float64, 6, elements=st.floats(-8, 0))


def rewards_of(values: int, *drawn: int) -> np.ndarray:
    """Rewards [3, 5] of so many different values, 1 to 41, from -5 on in quarters."""
    return np.array(drawn).reshape(3, 5) % (values % 41 + 1) / 4 - 5


def named(algorithm) -> str:
    return type(algorithm).__name__


def of(rewards: np.ndarray) -> Samples:
    return samples(rewards.tolist(), contribution=[0.3, 0.9, -0.2], values=np.zeros((3, 5, 1)))


def selected(given_: Samples, questions: list[int], completions: list[int]) -> Samples:
    """The samples in another order."""

    def pick(tensor: torch.Tensor) -> torch.Tensor:
        return tensor[questions] if tensor.dim() == 1 else tensor[questions][:, completions]

    return dataclasses.replace(
        given_,
        rewards=pick(given_.rewards),
        parts={name: pick(part) for name, part in given_.parts.items()},
        lengths=pick(given_.lengths),
        truncated=pick(given_.truncated),
        signals={name: pick(signal) for name, signal in given_.signals.items()},
    )


# --- advantages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", [*GROUP_MEAN, ReinforcePP()], ids=named)
@given(rewards=grid, shift=st.floats(-5, 5))
def test_advantages_ignore_a_constant_added_to_all_rewards(algorithm, rewards, shift):
    first, second = algorithm.advantages(of(rewards)), algorithm.advantages(of(rewards + shift))
    torch.testing.assert_close(first, second, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("algorithm", GROUP_MEAN, ids=named)
@given(
    rewards=grid, silent_success=arrays(np.float64, (3, 1), elements=st.integers(0, 4).map(lambda n: n / 4))
)
def test_subtracting_a_questions_success_in_silence_changes_nothing(algorithm, rewards, silent_success):
    """Which is why contribution-weighted advantages multiply instead."""
    first, second = algorithm.advantages(of(rewards)), algorithm.advantages(of(rewards - silent_success))
    torch.testing.assert_close(first, second, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("algorithm", SUM_TO_ZERO, ids=named)
@given(rewards=grid)
def test_the_advantages_of_a_group_sum_to_zero(algorithm, rewards):
    sums = algorithm.advantages(of(rewards)).sum(-1)
    torch.testing.assert_close(sums, torch.zeros_like(sums), atol=1e-9, rtol=0)


@pytest.mark.parametrize("algorithm", EVERY, ids=named)
@given(rewards=grid)
def test_advantages_are_finite_and_the_best_of_a_group_is_never_behind(algorithm, rewards):
    advantages = algorithm.advantages(of(rewards)).reshape(3, 5)
    assert advantages.isfinite().all()
    best, worst = rewards.argmax(1), rewards.argmin(1)
    assert (advantages[range(3), best] >= advantages[range(3), worst] - 1e-12).all()


@pytest.mark.parametrize("algorithm", EVERY, ids=named)
@pytest.mark.parametrize("seed", range(4))
def test_advantages_follow_the_order_of_groups_and_completions(algorithm, seed):
    given_ = random_samples(seed)
    questions, completions = [2, 0, 1], [3, 1, 0, 2]
    advantages = algorithm.advantages(given_)[questions][:, completions]
    again = algorithm.advantages(selected(given_, questions, completions))
    torch.testing.assert_close(advantages, again, atol=1e-12, rtol=0, equal_nan=True)


@pytest.mark.parametrize("algorithm", EVERY, ids=named)
def test_a_dropped_sample_is_left_out_and_moves_nobody_else_to_nan(algorithm):
    given_ = dataclasses.replace(random_samples(5), truncated=torch.zeros(3, 4, dtype=torch.bool))
    advantages = algorithm.advantages(given_)
    first = advantages[..., 0] if advantages.dim() == 3 else advantages
    assert torch.equal(first.isnan(), given_.rewards.isnan())


# --- losses --------------------------------------------------------------------------------------


def at_ratio_one(algorithm, seed: int) -> tuple[Tokens, float]:
    """Tokens under the policy that sampled them, and their weighted mean advantage."""
    completions = [dataclasses.replace(c, old=c.logprobs) for c in random_completions(seed)]
    tokens = packed(completions, algorithm)
    return tokens, float((tokens.weights * tokens.advantages).sum())


ONLY_POLICY = (
    GRPO(kl=0.0),
    GRPO(kl=0.0, aggregate="token"),
    DAPO(),
    GSPO(),
    RLOO(kl=0.0),
    ReinforcePP(kl=0.0),
    GDPO(kl=0.0),
    PAPO(kl=0.0, gamma=0.0, entropy=0.0),
    ContributionWeighted(kl=0.0),
    PPO(kl=0.0, value_weight=0.0),
    MaxRL(),
)


@pytest.mark.parametrize("algorithm", ONLY_POLICY, ids=named)
@pytest.mark.parametrize("seed", range(3))
def test_at_ratio_one_the_loss_is_minus_the_mean_advantage(algorithm, seed):
    tokens, mean = at_ratio_one(algorithm, seed)
    assert float(algorithm.loss(tokens).total.detach()) == pytest.approx(-mean, abs=1e-12)


BY_TOKEN = (
    *(a for a in ONLY_POLICY if not isinstance(a, ContributionWeighted | RLOO)),
    CISPO(),
    DPPO(),
    SAPO(),
    VESPO(),
)


@pytest.mark.parametrize("algorithm", BY_TOKEN, ids=named)
def test_at_ratio_one_the_gradient_is_minus_weight_times_advantage(algorithm):
    tokens, _ = at_ratio_one(algorithm, 0)
    algorithm.loss(tokens).total.backward()
    torch.testing.assert_close(tokens.logprobs.grad, -tokens.weights * tokens.advantages)


@pytest.mark.parametrize("algorithm_class", ALGORITHMS)
def test_an_importance_weight_on_the_advantages_weighs_the_policy_term_and_nothing_else(algorithm_class):
    algorithm = algorithm_class(kl=0.1)
    tokens = packed(random_completions(3), algorithm)
    factors = torch.from_numpy(np.random.default_rng(3).uniform(0.5, 2.0, len(tokens.weights)))
    plain = algorithm.loss(tokens)
    corrected = algorithm.loss(dataclasses.replace(tokens, advantages=factors * tokens.advantages))
    policy = plain.parts.pop("loss/policy")
    torch.testing.assert_close(corrected.parts.pop("loss/policy"), factors * policy)
    torch.testing.assert_close(corrected.parts, plain.parts)

    def total(factor):
        return algorithm.loss(dataclasses.replace(tokens, advantages=factor * tokens.advantages)).total

    torch.testing.assert_close(total(3.0) - total(0.0), 3.0 * (plain.total - total(0.0)))


@pytest.mark.parametrize("algorithm_class", ALGORITHMS)
def test_one_batch_loses_what_its_micro_batches_lose_together(algorithm_class):
    algorithm = algorithm_class(kl=0.1)
    whole = packed(random_completions(0), algorithm)
    algorithm.loss(whole).total.backward()
    total = 0.0
    gradients = []
    for part in (
        whole.completions < 2,
        (whole.completions >= 2) & (whole.completions < 5),
        whole.completions >= 5,
    ):
        piece = Tokens(
            logprobs=whole.logprobs.detach()[part].requires_grad_(),
            old_logprobs=whole.old_logprobs[part],
            advantages=whole.advantages[part],
            weights=whole.weights[part],
            completions=whole.completions[part] - whole.completions[part].min(),
            signals={name: signal.detach()[part] for name, signal in whole.signals.items()},
        )
        loss = algorithm.loss(piece).total
        loss.backward()
        total += float(loss.detach())
        gradients.append(piece.logprobs.grad)
    assert total == pytest.approx(float(algorithm.loss(whole).total.detach()), abs=1e-12)
    torch.testing.assert_close(torch.cat(gradients), whole.logprobs.grad)


@pytest.mark.parametrize("algorithm_class", ALGORITHMS)
def test_a_token_without_weight_has_no_gradient(algorithm_class):
    algorithm = algorithm_class(kl=0.1)
    tokens = packed(random_completions(1), algorithm)
    tokens = dataclasses.replace(tokens, weights=tokens.weights * (tokens.completions > 0))
    algorithm.loss(tokens).total.backward()
    local = tokens.completions == 0
    assert not tokens.logprobs.grad[local].any() and tokens.logprobs.grad[~local].all()


@pytest.mark.parametrize("algorithm_class", ALGORITHMS)
def test_the_kl_term_weighs_as_told_and_asks_for_the_reference(algorithm_class):
    tokens = packed(random_completions(2), algorithm_class())
    totals = [float(algorithm_class(kl=kl).loss(tokens).total.detach()) for kl in (0.0, 0.1, 0.2)]
    assert totals[1] - totals[0] == pytest.approx(totals[2] - totals[1]) and totals[1] > totals[0]
    assert {Need.REFERENCE, Need.EQUAL_GROUPS} <= algorithm_class(kl=0.1).needs
    assert Need.REFERENCE not in algorithm_class(kl=0.0).needs


@pytest.mark.parametrize("kind", ["k1", "k2", "k3"])
@given(first=logprobs)
def test_the_kl_of_a_policy_to_itself_is_zero(kind, first):
    assert (kl_estimate(torch.from_numpy(first), torch.from_numpy(first), kind) == 0).all()


@pytest.mark.parametrize("kind", ["k2", "k3"])
@given(first=logprobs, second=logprobs)
def test_k2_and_k3_are_never_negative_but_for_rounding(kind, first, second):
    smallest = -torch.finfo(torch.float64).eps  # exp(gap) - gap - 1 is a difference of numbers near 1
    assert (kl_estimate(torch.from_numpy(first), torch.from_numpy(second), kind) >= smallest).all()


@pytest.mark.parametrize("kind", ["k1", "k3"])
def test_k1_and_k3_average_to_the_kl(kind):
    policy, reference = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.5, 0.3, 0.2])
    exact = float((policy * (policy / reference).log()).sum())
    average = float((policy * kl_estimate(policy.log(), reference.log(), kind)).sum())
    assert average == pytest.approx(exact, rel=1e-5)
