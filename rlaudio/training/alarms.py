"""Warnings while a run trains: rewards without spread, log-probs of sampler and trainer that differ."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from rlaudio.training.sampling import has_spread
from rlaudio.types import ScoredGroup

logger = logging.getLogger(__name__)

STEPS_WITHOUT_SPREAD = 20  # half an hour of a large run, and at 8 completions a group hardly ever chance


class Alarms:
    """Watches the steps of a stage and warns once of each problem.

    `steps` is the stage's length. A stage shorter than STEPS_WITHOUT_SPREAD is warned at its end if nothing
    was learned, and not about single rewards: so few steps are no evidence. `mismatch` is the mean gap in
    nats above which the log-probs of sampler and trainer differ too much.
    """

    def __init__(self, *, mismatch: float, steps: int = STEPS_WITHOUT_SPREAD):
        self._mismatch = mismatch
        self._patience = max(1, min(steps, STEPS_WITHOUT_SPREAD))
        self._flat_steps: dict[str, int] = {}  # reward, or "" for their sum -> steps in a row without spread
        self._taught: set[str] = set()  # rewards that differed within a group in at least one step
        self._said: set[str] = set()

    def check(self, metrics: Mapping[str, float], groups: Sequence[ScoredGroup] = ()) -> None:
        """Check one step: its metrics and all groups that were sampled in it."""
        self._check_rewards(groups)
        mismatch = metrics.get("rollout/mismatch_mean", 0.0)
        if mismatch > self._mismatch:
            self._say(
                "mismatch",
                f"sampler and trainer differ by {mismatch:.3g} nats a token on average; expected at most "
                f"{self._mismatch:g}; compare how both sides prepare prompts, or correct for it with "
                "mismatch.correct",
            )

    def _check_rewards(self, groups: Sequence[ScoredGroup]) -> None:
        """Count the steps without spread, for the sum of the rewards and for each reward.

        The sum may lose its spread at any time. A single reward, such as one for the format, is expected to
        lose it once every completion earns it, so it is reported only where it never had spread.
        """
        if not groups or not groups[0].rewards:  # a teacher's completions have no rewards
            return
        if self._flat("", [group.total for group in groups]) >= self._patience:
            self._say(
                "spread",
                f"in the last {self._flat_steps['']} steps all completions of every group had the same "
                "reward: nothing was learned from them; look at the rollouts, raise the temperature or "
                "change the rewards",
            )
        for name, weight in groups[0].weights.items():
            flat = self._flat(name, [group.rewards[name] for group in groups]) >= STEPS_WITHOUT_SPREAD
            if flat and weight and name not in self._taught and "" in self._taught:
                self._say(
                    f"reward {name}",
                    f"reward {name} gave all completions of a group the same value in each of the first "
                    f"{self._flat_steps[name]} steps: it has taught nothing so far; look at its values in "
                    "the rollouts, change its options or leave it out",
                )

    def _flat(self, name: str, values: Sequence[np.ndarray]) -> int:
        """Count a step's groups of values [G]; the steps in a row that have been without spread."""
        if any(has_spread(of_group) for of_group in values):
            self._taught.add(name)
            self._flat_steps[name] = 0
        else:
            self._flat_steps[name] = self._flat_steps.get(name, 0) + 1
        return self._flat_steps[name]

    def _say(self, what: str, message: str) -> None:
        if what not in self._said:
            self._said.add(what)
            logger.warning("%s", message)
