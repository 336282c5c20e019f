"""The optimizer step: rows in, gradients accumulated over micro-batches, one update out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from rlaudio.algorithms.algorithm import Algorithm, Tokens
from rlaudio.models.family import ModelFamily
from rlaudio.training.packing import Batch, Row, micro_batches, repeated
from rlaudio.training.policy import token_logprobs


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    """AdamW with warm-up, then a schedule down to 0 over the steps of a stage."""

    lr: float
    steps: int
    warmup: float = 0.0  # share of the steps
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    max_grad_norm: float = 1.0

    def lr_at(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        warmup = math.ceil(self.warmup * self.steps)
        if step < warmup:
            return self.lr * (step + 1) / warmup
        done = (step - warmup) / max(1, self.steps - warmup)
        return (
            self.lr
            * {
                "constant": 1.0,
                "linear": 1.0 - done,
                "cosine": 0.5 * (1.0 + math.cos(math.pi * done)),
            }[self.schedule]
        )


class Learner:
    """Owns the optimizer of one stage and, where the algorithm needs one, the frozen reference."""

    def __init__(
        self,
        family: ModelFamily,
        algorithm: Algorithm,
        settings: OptimizerSettings,
        *,
        reference: ModelFamily | None = None,
        temperature: float = 1.0,
        micro_batch_tokens: int = 16_384,
        logprob_chunk: int = 1024,
        prompt_once: bool = True,
    ):
        if algorithm.needs_reference and reference is None:
            raise ValueError("this algorithm compares with a reference policy; expected one, found none")
        self.family = family
        self.algorithm = algorithm
        self.settings = settings
        self.reference = reference
        self.temperature = temperature
        self.micro_batch_tokens = micro_batch_tokens
        self.logprob_chunk = logprob_chunk
        self.prompt_once = prompt_once
        self.parameters = [p for p in family.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=settings.lr, betas=settings.betas, weight_decay=settings.weight_decay
        )

    def step(self, rows: Sequence[Row], number: int) -> dict[str, float]:
        """Update the policy once on `rows`; returns the metrics of the step.

        Rows whose advantages are all 0 change nothing and are not computed, unless the algorithm also
        holds the policy to a reference. Raises FloatingPointError on a loss or gradient that is not finite.
        """
        rows = [r for r in rows if self.algorithm.needs_reference or any(b.advantage for b in r.branches)]
        totals = _Totals()
        self.optimizer.zero_grad(set_to_none=True)
        for batch in micro_batches(rows if self.prompt_once else repeated(rows), self.micro_batch_tokens):
            self._accumulate(batch.to(self.family.device), totals)
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.settings.max_grad_norm) if rows else 0.0
        metrics = totals.means() | {
            "optimizer/lr": self.settings.lr_at(number),
            "optimizer/grad_norm": float(norm),
        }
        _refuse_nonfinite(metrics)
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.lr_at(number)
        if rows:
            self.optimizer.step()
        return metrics

    def _accumulate(self, batch: Batch, totals: _Totals) -> None:
        """Add one micro-batch's gradients and metrics."""
        policy = token_logprobs(self.family, batch, temperature=self.temperature, chunk=self.logprob_chunk)
        loss = self.algorithm.loss(
            Tokens(
                logprobs=policy.logprobs,
                behaviour_logprobs=batch.behaviour_logprobs,
                reference_logprobs=self._reference_logprobs(batch),
                advantages=batch.advantages,
                weights=batch.weights,
            )
        )
        loss.total.backward()
        totals.add(batch, loss.total.detach(), loss.parts | {"loss/entropy": policy.entropy})
        if batch.behaviour_logprobs.any():
            totals.add_mismatch((policy.logprobs.detach() - batch.behaviour_logprobs).abs())

    def _reference_logprobs(self, batch: Batch) -> torch.Tensor | None:
        if not self.algorithm.needs_reference or self.reference is None:
            return None
        with torch.no_grad():
            return token_logprobs(
                self.reference, batch, temperature=self.temperature, chunk=self.logprob_chunk
            ).logprobs


class _Totals:
    """Sums over micro-batches from which a step's metrics come."""

    def __init__(self) -> None:
        self.loss = 0.0
        self.targets = 0
        self.weight = 0.0
        self.sums: dict[str, float] = {}
        self.gap_sum = 0.0
        self.gap_max = 0.0

    def add(self, batch: Batch, loss: torch.Tensor, parts: dict[str, torch.Tensor]) -> None:
        self.loss += float(loss)
        self.targets += len(batch.targets)
        self.weight += float(batch.weights.sum())
        for name, values in parts.items():
            self.sums[name] = self.sums.get(name, 0.0) + float((values * batch.weights).sum())

    def add_mismatch(self, gap: torch.Tensor) -> None:
        self.gap_sum += float(gap.sum())
        self.gap_max = max(self.gap_max, float(gap.max()))

    def means(self) -> dict[str, float]:
        means = {name: total / self.weight for name, total in self.sums.items() if self.weight}
        if self.gap_max:
            means |= {
                "rollout/mismatch_mean": self.gap_sum / self.targets,
                "rollout/mismatch_max": self.gap_max,
            }
        return means | {"loss/total": self.loss, "optimizer/tokens": float(self.targets)}


def _refuse_nonfinite(metrics: dict[str, float]) -> None:
    bad = sorted(name for name, value in metrics.items() if not math.isfinite(value))
    if bad:
        raise FloatingPointError(
            f"{', '.join(bad)} came out as NaN or infinite; the update was not made; "
            "lower the learning rate or look at the step's rollouts"
        )
