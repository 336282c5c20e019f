"""Sums over micro-batches, updates and processes, from which a step's metrics come."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from rlaudio.training.debug.nonfinite import describe_nonfinite


@dataclass
class Totals:
    """Sums over one or more micro-batches."""

    sums: dict[str, float] = field(default_factory=dict)
    parts: dict[str, float] = field(default_factory=dict)  # metric -> sum of weighted token values
    mismatch_max: float = 0.0
    nonfinite: dict[str, list[str]] = field(default_factory=dict)  # quantity -> questions

    def count(
        self, loss: torch.Tensor, parts: Mapping[str, torch.Tensor], weights: torch.Tensor, computed: int
    ) -> None:
        """A micro-batch's loss [], the token values [N] whose mean under `weights` [N] is logged, and the
        number of tokens that the model computed.
        """
        counts = {"tokens": len(weights), "computed": computed}
        _add(self.sums, {"loss": loss.detach(), "weight": weights.sum(), **counts})
        _add(self.parts, {name: (values * weights).sum() for name, values in parts.items()})

    def count_mismatch(self, trainer: torch.Tensor, sampler: torch.Tensor) -> None:
        """Log-probs [N] of the same tokens under trainer and sampler."""
        if not sampler.any():  # SFT targets: not sampled
            return
        t, s = trainer.detach().double(), sampler.double()
        gap = (t - s).abs()
        moments = {"t": t, "s": s, "tt": t**2, "ss": s**2, "ts": t * s, "gap": gap}
        _add(self.sums, {"compared": len(gap)} | {name: values.sum() for name, values in moments.items()})
        self.mismatch_max = max(self.mismatch_max, float(gap.max()))

    def watch(self, values: Mapping[str, torch.Tensor], question_ids: Sequence[str]) -> None:
        """Note which tensors of a micro-batch with these questions are not finite.

        A clamp may turn an infinite log-prob into a finite loss, so the loss alone is not enough.
        """
        for name, tensor in values.items():
            if not tensor.isfinite().all():
                self.nonfinite.setdefault(name, []).extend(question_ids)

    def add(self, others: Iterable[Totals]) -> None:
        """Add the sums of other micro-batches, updates or processes."""
        for other in others:
            _add(self.sums, other.sums)
            _add(self.parts, other.parts)
            self.mismatch_max = max(self.mismatch_max, other.mismatch_max)
            for name, question_ids in other.nonfinite.items():
                self.nonfinite.setdefault(name, []).extend(question_ids)

    def refuse_nonfinite(self) -> None:
        """Raise FloatingPointError if anything watched was NaN or infinite."""
        if self.nonfinite:
            raise FloatingPointError(describe_nonfinite(self.nonfinite))

    def means(self, updates: int) -> dict[str, float]:
        """The metrics of a step with so many updates."""
        weight = self.sums.get("weight", 0.0)
        return {
            **{name: value / weight for name, value in self.parts.items() if weight},
            **self._mismatch(),
            "loss/total": self.sums.get("loss", 0.0) / max(1, updates),
            "optimizer/tokens": self.sums.get("tokens", 0.0),
            "optimizer/computed_tokens": self.sums.get("computed", 0.0),
        }

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


def _add(sums: dict[str, float], values: Mapping[str, torch.Tensor | float]) -> None:
    for name, value in values.items():
        sums[name] = sums.get(name, 0.0) + float(value)


def _pearson(n: float, x: float, y: float, xx: float, yy: float, xy: float) -> float:
    """Correlation from sums; 1 where one side does not vary."""
    spread = max(0.0, n * xx - x * x) * max(0.0, n * yy - y * y)
    return (n * xy - x * y) / math.sqrt(spread) if spread > 0.0 else 1.0
