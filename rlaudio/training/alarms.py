"""What a run should say aloud while it trains: rewards that teach nothing, sampler and trainer apart."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from rlaudio.training.sampling import has_spread
from rlaudio.types import ScoredGroup

logger = logging.getLogger(__name__)

STEPS_WITHOUT_SPREAD = 20  # half an hour of a large run, and at 8 completions a group hardly ever chance


class Alarms:
    """Watches the steps of a stage and warns once of each trouble.

    `steps` is the stage's length: of one shorter than STEPS_WITHOUT_SPREAD it is told at its end that nothing
    was learned, and nothing of single rewards, for which so few steps are no evidence. `mismatch` is the mean
    gap in nats above which sampler and trainer are too far apart.
    """

    def __init__(self, *, mismatch: float, steps: int = STEPS_WITHOUT_SPREAD):
        self._mismatch = mismatch
        self._patience = max(1, min(steps, STEPS_WITHOUT_SPREAD))
        self._flat_steps: dict[str, int] = {}  # reward, or "" for their sum -> steps in a row without spread
        self._taught: set[str] = set()  # rewards that told two completions of a group apart at some time
        self._said: set[str] = set()

    def see(self, metrics: Mapping[str, float], groups: Sequence[ScoredGroup] = ()) -> None:
        """Take note of one step: its metrics and all groups that were sampled in it."""
        self._see_rewards(groups)
        mismatch = metrics.get("rollout/mismatch_mean", 0.0)
        if mismatch > self._mismatch:
            self._say(
                "mismatch",
                f"sampler and trainer differ by {mismatch:.3g} nats a token on average; expected at most "
                f"{self._mismatch:g}; compare how both sides prepare prompts, or correct for it with "
                "mismatch.correct",
            )

    def _see_rewards(self, groups: Sequence[ScoredGroup]) -> None:
        """Count for the sum of rewards and for each of them the steps in which it told nothing apart.

        The sum may lose its spread at any time; a single reward, such as one for the format, rightly does
        once it is always earned, so it is only reported where it never told completions apart.
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
