"""How fast a step was: tokens a second, and the share of the device's matrix rate that its updates used."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from rlaudio.training.learner import Learner
from rlaudio.utils.matrix_rate import matrix_rate


class Throughput:
    """Rates of a learner's steps, as metrics."""

    def __init__(self, learner: Learner) -> None:
        self._family = learner.family
        self._processes = learner.strategy.processes

    def describe(self, seconds: Mapping[str, float], metrics: Mapping[str, float]) -> dict[str, float]:
        """Metrics of a step's parts: `seconds` of each, and what the step counted."""
        rates = {f"time/{part}": value for part, value in seconds.items()}
        rollout, update = seconds.get("rollout", 0.0), seconds.get("update", 0.0)
        if rollout and metrics.get("rollout/tokens"):
            rates["rollout/tokens_per_second"] = metrics["rollout/tokens"] / rollout
        if update and metrics.get("optimizer/computed_tokens"):
            speed = metrics["optimizer/computed_tokens"] / update
            rates["optimizer/tokens_per_second"] = speed
            rates["optimizer/mfu"] = speed * self._operations / (self._peak * self._processes.size)
        return rates

    @cached_property
    def _operations(self) -> float:
        """Of an update, for each token: 2 for every weight forward and 2 backward, 2 more if it trains."""
        model: Any = self._family.model
        weights = [p for p in model.get_decoder().layers.parameters() if p.dim() == 2]
        return sum((6.0 if p.requires_grad else 4.0) * p.numel() for p in weights)

    @cached_property
    def _peak(self) -> float:
        return matrix_rate(self._family.device, self._family.dtype)
