"""Every algorithm on random ragged batches against the loops of `second`."""

import numpy as np
import pytest

from rlaudio.algorithms.cispo import CISPO
from rlaudio.algorithms.contribution_weighted import ContributionWeighted
from rlaudio.algorithms.dapo import DAPO
from rlaudio.algorithms.dppo import DPPO
from rlaudio.algorithms.gdpo import GDPO
from rlaudio.algorithms.grpo import GRPO
from rlaudio.algorithms.gspo import GSPO
from rlaudio.algorithms.mapo import MAPO
from rlaudio.algorithms.maxrl import MaxRL
from rlaudio.algorithms.papo import PAPO
from rlaudio.algorithms.ppo import PPO
from rlaudio.algorithms.reinforce_pp import ReinforcePP
from rlaudio.algorithms.rloo import RLOO
from rlaudio.algorithms.sapo import SAPO
from rlaudio.algorithms.vespo import VESPO
from tests.algorithms import second
from tests.algorithms.batches import packed, random_completions, random_samples

SEEDS = range(8)

ADVANTAGES = {
    "grpo": (GRPO(), lambda s: second.grpo(s["rewards"])),
    "grpo without deviation": (GRPO(scale="none"), lambda s: second.grpo(s["rewards"], scale=False)),
    "gspo": (GSPO(), lambda s: second.grpo(s["rewards"])),
    "cispo": (CISPO(), lambda s: second.grpo(s["rewards"])),
    "papo": (PAPO(), lambda s: second.grpo(s["rewards"])),
    "dapo": (DAPO(), lambda s: second.dapo(s["rewards"], s["truncated"])),
    "dapo unfiltered": (DAPO(filter_truncated=False), lambda s: second.grpo(s["rewards"])),
    "dppo": (DPPO(), lambda s: second.grpo(s["rewards"])),
    "sapo": (SAPO(), lambda s: second.grpo(s["rewards"])),
    "vespo": (VESPO(), lambda s: second.grpo(s["rewards"])),
    "mapo": (MAPO(), lambda s: second.grpo(s["rewards"])),
    "maxrl": (MaxRL(), lambda s: second.maxrl(s["rewards"])),
    "rloo": (RLOO(), lambda s: second.rloo(s["rewards"])),
    "reinforce++": (ReinforcePP(), lambda s: second.reinforce_pp(s["rewards"], "batch")),
    "reinforce++ w/ baseline": (
        ReinforcePP(baseline="group"),
        lambda s: second.reinforce_pp(s["rewards"], "group"),
    ),
    "gdpo": (GDPO(), lambda s: second.gdpo(s["parts"], s["weights"])),
    "contribution-weighted": (
        ContributionWeighted(floor=0.2),
        lambda s: second.contribution_weighted(s["rewards"], s["contribution"], 0.2),
    ),
    "ppo": (
        PPO(gamma=0.9, lam=0.8),
        lambda s: second.over_the_step(second.gae(s["rewards"], s["lengths"], s["values"], 0.9, 0.8)),
    ),
}


@pytest.mark.parametrize("name", ADVANTAGES)
@pytest.mark.parametrize("seed", SEEDS)
def test_advantages_agree(name, seed):
    algorithm, expected = ADVANTAGES[name]
    given = random_samples(seed)
    arrays = {
        "rewards": given.rewards.numpy(),
        "truncated": given.truncated.numpy(),
        "lengths": given.lengths.numpy(),
        "parts": {part: values.numpy() for part, values in given.parts.items()},
        "weights": given.part_weights,
        **{signal: values.numpy() for signal, values in given.signals.items()},
    }
    advantages = algorithm.advantages(given).numpy()
    np.testing.assert_allclose(advantages, expected(arrays), atol=1e-11)


@pytest.mark.parametrize("seed", SEEDS)
def test_returns_agree(seed):
    given = random_samples(seed)
    returns = PPO(gamma=0.9, lam=0.8).returns(given).numpy()
    values = given.signals["values"].numpy()
    expected = second.gae(given.rewards.numpy(), given.lengths.numpy(), values, 0.9, 0.8) + values
    np.testing.assert_allclose(returns, expected, atol=1e-12)


LOSSES = {
    "grpo": (GRPO(kl=0.05), second.clipped_loss(second.per_completion, 0.2, 0.2, 0.05)),
    "grpo with k1": (
        GRPO(kl=0.05, kl_estimate="k1"),
        second.clipped_loss(second.per_completion, 0.2, 0.2, 0.05, "k1"),
    ),
    "grpo over tokens": (
        GRPO(kl=0.0, aggregate="token"),
        second.clipped_loss(second.per_token, 0.2, 0.2, 0.0),
    ),
    "dr. grpo": (
        GRPO(kl=0.0, aggregate="constant", length=6),
        second.clipped_loss(second.per_constant(6), 0.2, 0.2, 0.0),
    ),
    "dapo": (DAPO(), second.clipped_loss(second.per_token, 0.2, 0.28, 0.0)),
    "gdpo": (GDPO(kl=0.1), second.clipped_loss(second.per_completion, 0.2, 0.2, 0.1)),
    "reinforce++": (ReinforcePP(kl=0.1), second.clipped_loss(second.per_token, 0.2, 0.2, 0.1, "k2")),
    "gspo": (GSPO(clip=0.1, clip_high=0.15), second.gspo_loss(0.1, 0.15)),
    "cispo": (CISPO(clip=0.3, clip_high=0.2), second.cispo_loss(0.3, 0.2)),
    "rloo": (RLOO(kl=0.0), second.rloo_loss(None)),
    "rloo, clipped": (RLOO(kl=0.0, clip=0.2), second.rloo_loss(0.2)),
    "papo": (PAPO(kl=0.0, gamma=0.1), second.papo_loss(0.2, 0.3, 0.1, 0.05, through_silence=False)),
    "contribution-weighted": (
        ContributionWeighted(kl=0.0),
        second.contribution_weighted_loss(0.2, 0.2, 0.1),
    ),
    "dppo": (DPPO(delta=0.05, cap=1.2), second.dppo_loss(0.05, 1.2)),
    "sapo": (SAPO(temperature=0.8, negative_temperature=1.5), second.sapo_loss(0.8, 1.5)),
    "vespo": (VESPO(), second.vespo_loss((2.0, 3.0), (3.0, 2.0))),
    "maxrl": (MaxRL(), second.clipped_loss(second.per_token, 0.2, 0.2, 0.0)),
    "mapo": (MAPO(kl=0.0), second.mapo_loss(0.2, 0.2, 1.0, 5.0)),
    "mapo, sharper": (
        MAPO(kl=0.0, temperature=0.2, limit=2.0),
        second.mapo_loss(0.2, 0.2, 0.2, 2.0),
    ),
    "ppo": (PPO(kl=0.0, value_weight=0.7), second.ppo_loss(0.2, 0.2, 0.7)),
    "ppo without value clipping": (PPO(kl=0.0, value_clip=None), second.ppo_loss(0.2, None, 1.0)),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("seed", SEEDS)
def test_losses_and_their_gradients_agree(name, seed):
    algorithm, expected = LOSSES[name]
    completions = random_completions(seed)
    tokens = packed(completions, algorithm)
    total = algorithm.loss(tokens).total
    total.backward()
    assert float(total.detach()) == pytest.approx(expected(completions, completions), abs=1e-12)
    actual = tokens.logprobs.grad.numpy()
    np.testing.assert_allclose(actual, second.gradient(expected, completions, "logprobs"), atol=1e-8)


def test_the_critics_gradient_agrees():
    completions, algorithm = random_completions(3), PPO(kl=0.0)
    tokens = packed(completions, algorithm)
    algorithm.loss(tokens).total.backward()
    expected = second.gradient(second.ppo_loss(0.2, 0.2, 1.0), completions, "values")
    np.testing.assert_allclose(tokens.signals["values"].grad.numpy(), expected, atol=1e-8)


def test_the_gradient_through_silence_agrees():
    completions, algorithm = random_completions(4), PAPO(kl=0.0, gamma=0.1, gradient="both")
    tokens = packed(completions, algorithm)
    algorithm.loss(tokens).total.backward()
    expected = second.papo_loss(0.2, 0.3, 0.1, 0.05, through_silence=True)
    for name, actual in (("logprobs", tokens.logprobs), ("silence", tokens.signals["silence"])):
        np.testing.assert_allclose(
            actual.grad.numpy(), second.gradient(expected, completions, name), atol=1e-8
        )
