"""What a run should say aloud while it trains: rewards that teach nothing, sampler and trainer apart."""

from __future__ import annotations

import logging
from collections.abc import Mapping

logger = logging.getLogger(__name__)


class Alarms:
    """Watches the metrics of a stage's steps and warns once of each trouble."""

    def __init__(self, *, mismatch: float, steps_without_spread: int = 20):
        self._mismatch = mismatch
        self._patience = steps_without_spread
        self._flat_steps = 0
        self._said: set[str] = set()

    def see(self, metrics: Mapping[str, float]) -> None:
        """Take note of one step."""
        self._flat_steps = self._flat_steps + 1 if metrics.get("group/no_spread") == 1.0 else 0
        if self._flat_steps >= self._patience:
            self._say(
                "spread",
                f"in the last {self._flat_steps} steps all completions of every group had the same reward: "
                "nothing was learned; look at the rollouts, raise the temperature or change the rewards",
            )
        mismatch = metrics.get("rollout/mismatch_mean", 0.0)
        if mismatch > self._mismatch:
            self._say(
                "mismatch",
                f"sampler and trainer differ by {mismatch:.3g} nats a token on average; expected at most "
                f"{self._mismatch:g}; compare how both sides prepare prompts, or correct for it with "
                "mismatch.correct",
            )

    def _say(self, what: str, message: str) -> None:
        if what not in self._said:
            self._said.add(what)
            logger.warning("%s", message)
