"""Sums over micro-batches, updates and processes, from which a step's metrics come."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch

_MOMENTS = frozenset({"gap", "t", "s", "tt", "ss", "ts"})  # of the mismatch


@dataclass
class Totals:
    """What one or more micro-batches add up to."""

    sums: dict[str, float] = field(default_factory=dict)
    mismatch_max: float = 0.0

    def count(self, loss: torch.Tensor, parts: Mapping[str, torch.Tensor], weights: torch.Tensor) -> None:
        """A micro-batch's loss [], and the token values [N] whose mean under `weights` [N] is logged."""
        self._add("loss", loss.detach())
        self._add("tokens", len(weights))
        self._add("weight", weights.sum())
        for name, values in parts.items():
            self._add(f"part {name}", (values * weights).sum())

    def count_mismatch(self, trainer: torch.Tensor, sampler: torch.Tensor) -> None:
        """Log-probs [N] of the same tokens under trainer and sampler."""
        if not sampler.any():  # a teacher's tokens: nobody sampled them
            return
        trainer, sampler = trainer.detach().double(), sampler.double()
        gap = (trainer - sampler).abs()
        self._add("gap", gap.sum())
        self._add("compared", len(gap))
        for name, values in (("t", trainer), ("s", sampler)):
            self._add(name, values.sum())
        for name, values in (("tt", trainer**2), ("ss", sampler**2), ("ts", trainer * sampler)):
            self._add(name, values.sum())
        self.mismatch_max = max(self.mismatch_max, float(gap.max()))

    def watch(self, values: Mapping[str, torch.Tensor]) -> None:
        """Tensors that must be finite: what an infinite one leaves of a loss may be finite after a clamp."""
        for name, tensor in values.items():
            self._add(f"watched {name}", tensor.detach().double().sum())

    def add(self, others: Iterable[Totals]) -> None:
        """Take in what other micro-batches, updates or processes counted."""
        for other in others:
            for name, value in other.sums.items():
                self._add(name, value)
            self.mismatch_max = max(self.mismatch_max, other.mismatch_max)

    def refuse_nonfinite(self) -> None:
        """Raise FloatingPointError if a loss or log-prob is NaN or infinite."""
        bad = [name for name, value in self.sums.items() if not math.isfinite(value)]
        if bad:
            named = [name.removeprefix("part ").removeprefix("watched ") for name in bad]
            shown = sorted({name for name in named if name not in _MOMENTS}) or ["the mismatch"]
            raise FloatingPointError(
                f"{', '.join(shown)} came out as NaN or infinite; the update was not made"
            )

    def means(self, updates: int) -> dict[str, float]:
        """The metrics of a step with so many updates."""
        weight = self.sums.get("weight", 0.0)
        means = {
            name.removeprefix("part "): value / weight
            for name, value in self.sums.items()
            if name.startswith("part ") and weight
        }
        return (
            means
            | self._mismatch()
            | {
                "loss/total": self.sums.get("loss", 0.0) / max(1, updates),
                "optimizer/tokens": self.sums.get("tokens", 0.0),
            }
        )

    def _mismatch(self) -> dict[str, float]:
        count = self.sums.get("compared", 0.0)
        if not count:
            return {}
        moments = [self.sums[name] for name in ("t", "s", "tt", "ss", "ts")]
        return {
            "rollout/mismatch_mean": self.sums["gap"] / count,
            "rollout/mismatch_max": self.mismatch_max,
            "rollout/mismatch_pearson": _pearson(count, *moments),
        }

    def _add(self, name: str, value: torch.Tensor | float) -> None:
        self.sums[name] = self.sums.get(name, 0.0) + float(value)


def _pearson(n: float, x: float, y: float, xx: float, yy: float, xy: float) -> float:
    """Correlation from sums; 1 where one side does not vary."""
    spread = max(0.0, n * xx - x * x) * max(0.0, n * yy - y * y)
    return (n * xy - x * y) / math.sqrt(spread) if spread > 0.0 else 1.0
