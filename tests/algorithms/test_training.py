"""Every algorithm on a model: one update moves the policy where its advantages say."""

from dataclasses import replace

import numpy as np
import pytest

from rlaudio.algorithms.contribution_weighted import ContributionWeighted
from rlaudio.algorithms.dapo import DAPO
from rlaudio.algorithms.papo import PAPO
from rlaudio.algorithms.ppo import PPO
from rlaudio.rollout.transformers import Transformers
from rlaudio.training.credit import assign_credit
from rlaudio.training.learner import Learner
from rlaudio.training.providers import asks_for_reference
from rlaudio.types import ScoredGroup
from tests.algorithms.batches import ALGORITHMS, doubles
from tests.conftest import make_prompt
from tests.settings import learner_settings, sampling_params

SETTINGS = learner_settings(lr=1e-3, steps=10, schedule="constant")
COUNT, GROUP_SIZE = 2, 4


def sampled(family) -> list[ScoredGroup]:
    """Completions of random length, better the more even tokens they have."""
    prompts = [make_prompt(family, seed, words=1 + seed) for seed in range(COUNT)]
    sampling = sampling_params(GROUP_SIZE, temperature=1.0, max_new_tokens=5)
    scored = []
    for group in Transformers(family).generate(prompts, sampling, (0, "rl", 0)):
        rewards = np.array([float(np.mean(c.token_ids % 2 == 0)) for c in group.completions])
        scored.append(ScoredGroup(group, {"even": rewards}, rewards, weights={"even": 1.0}))
    return scored


def signals(algorithm, scored) -> dict:
    """What the training loop would have measured for its advantages."""
    longest = max(len(c.token_ids) for each in scored for c in each.group.completions)
    everything = {
        "values": np.zeros((COUNT, GROUP_SIZE, longest)),
        "contribution": np.array([0.2, 0.8]),
    }
    return {name: doubles(value) for name, value in everything.items() if name in algorithm.needs}


def made(algorithm_class):
    if algorithm_class is PAPO:
        return PAPO(kl=0.0, gamma=0.001, entropy=0.0)  # so small that the policy term decides
    if algorithm_class is DAPO:
        return DAPO(filter_truncated=False)
    return algorithm_class(kl=0.0)


@pytest.mark.parametrize("algorithm_class", ALGORITHMS)
def test_one_update_makes_completions_likelier_by_their_advantages(family, algorithm_class):
    algorithm = made(algorithm_class)
    reference = family.frozen_copy() if asks_for_reference(algorithm) else None
    learner = Learner(family, algorithm, SETTINGS, reference=reference, silent_prompt=lambda prompt: prompt)
    scored = sampled(family)
    rows = assign_credit(scored, algorithm, signals=signals(algorithm, scored))
    metrics = learner.step(rows, 0)
    assert metrics["optimizer/grad_norm"] > 0.0 and metrics["optimizer/updates"] == 1.0
    gain = 0.0
    for row in learner.measure(rows, ["old"]):
        for branch in row.branches:
            gain += float(
                (branch.advantages * branch.weight * (branch.signals["old"] - branch.logprobs)).sum()
            )
    assert gain > 0.0


def test_a_step_in_which_every_completion_was_cut_makes_no_update(family):
    cut = [
        replace(
            scored,
            group=replace(
                scored.group,
                completions=tuple(replace(c, stop_reason="length") for c in scored.group.completions),
            ),
        )
        for scored in sampled(family)
    ]
    rows = assign_credit(cut, DAPO())
    assert not any(row.branches for row in rows)
    metrics = Learner(family, DAPO(), SETTINGS).step([row for row in rows if row.branches], 0)
    assert metrics["optimizer/updates"] == 0.0


def test_the_critic_learns_what_to_expect(family):
    scored, algorithm = sampled(family), PPO(kl=0.0, value_lr=1e-2, value_clip=None)
    settings = learner_settings(lr=0.0, steps=10, schedule="constant")
    learner = Learner(family, algorithm, settings)
    rows = assign_credit(scored, algorithm, signals=signals(algorithm, scored))
    errors = [learner.step(rows, step)["loss/value"] for step in range(8)]
    assert errors[-1] < 0.5 * errors[0]


def test_rows_carry_advantages_scaled_by_their_questions_contribution(family):
    scored, algorithm = sampled(family), ContributionWeighted(kl=0.0, by_token=False)
    rows = assign_credit(scored, algorithm, signals=signals(algorithm, scored))
    plain = assign_credit(scored, algorithm, signals={"contribution": doubles([1.0, 1.0])})
    for row, full, factor in zip(rows, plain, (0.2, 0.8), strict=True):
        for branch, whole in zip(row.branches, full.branches, strict=True):
            np.testing.assert_allclose(branch.advantages, factor * whole.advantages)
