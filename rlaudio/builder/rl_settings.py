"""What a stage of RL samples, asks in silence and rewards, and by which algorithm it learns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from rlaudio.algorithms.algorithm import Algorithm, TokenLimited
from rlaudio.algorithms.checks import checked_needs
from rlaudio.config.recipe import Recipe
from rlaudio.scoring import RewardSum
from rlaudio.training.providers import asks_for_contribution
from rlaudio.types import SamplingParams
from rlaudio.utils.processes import ALONE, Processes


def rl_algorithm(recipe: Recipe) -> Algorithm:
    """The recipe's algorithm, with the recipe's token limit. Raises ValueError for unknown needs."""
    algorithm: Algorithm = recipe.algorithm()
    checked_needs(algorithm, recipe.algorithm.use)
    if isinstance(algorithm, TokenLimited):
        return algorithm.with_token_limit(recipe.sampling.max_new_tokens)
    return algorithm


def sampling_params(recipe: Recipe) -> SamplingParams:
    """How completions are sampled in training."""
    sampling = recipe.sampling
    return SamplingParams(
        group_size=sampling.group_size,
        temperature=sampling.temperature,
        top_k=sampling.top_k,
        top_p=sampling.top_p,
        max_new_tokens=sampling.max_new_tokens,
    )


def reward_sum(
    recipe: Recipe, failure_rate: float = 0.0, processes: Processes = ALONE, *, only: str | None = None
) -> RewardSum:
    """The recipe's rewards; `only` names one of them, without the others."""
    rewards = {
        name: (plugin.function, recipe.rewards[name].weight)
        for name, plugin in recipe.reward_plugins().items()
        if only is None or name == only
    }
    return RewardSum(rewards, failure_rate, processes, recipe.reward_timeout)


def contribution_by(recipe: Recipe) -> Literal["rollouts", "options"] | None:
    """How the audio's contribution is measured on policy; None where the algorithm does not need it."""
    return recipe.contribution.on_policy if asks_for_contribution(rl_algorithm(recipe)) else None


@dataclass(frozen=True)
class AskedInSilence:
    """What each question of a step of RL is asked in silence, beside its completions with the audio."""

    for_rewards: int  # completions, in every step
    contribution: Literal["rollouts", "options"] | None  # how the audio's contribution is measured
    every: int  # steps from one measurement to the next
    samples: int  # completions of a measurement

    def completions(self, steps: int) -> int:
        """Of one question in each of the first so many steps, together."""
        return steps * self.for_rewards + math.ceil(steps / self.every) * self.samples


def asked_in_silence(recipe: Recipe, refresh_every: int) -> AskedInSilence:
    """What a stage asks in silence whose curriculum observes contribution every so many steps; 0: never."""
    every = 1 if contribution_by(recipe) else refresh_every
    by, samples = recipe.contribution.on_policy if every else None, recipe.contribution.silent_samples
    return AskedInSilence(
        for_rewards=samples if recipe.hears_silence() else 0,
        contribution=by,
        every=max(1, every),
        samples=samples if by == "rollouts" else 0,
    )
