"""From scored groups to rows: each completion's advantage and the weight of each of its tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from rlaudio.algorithms.algorithm import Algorithm
from rlaudio.training.packing import Row, make_rows
from rlaudio.types import ScoredGroup


def assign_credit(scored: Sequence[ScoredGroup], algorithm: Algorithm) -> list[Row]:
    """One row per group with the algorithm's advantages and token weights; dropped samples stay out."""
    rewards = torch.from_numpy(np.stack([one.total for one in scored]))  # [Q, G]
    advantages = algorithm.advantages(rewards)
    lengths = torch.tensor([[len(c.token_ids) for c in one.group.completions] for one in scored])
    kept = ~advantages.isnan()
    weights = torch.zeros(lengths.shape, dtype=torch.float64)
    if kept.any():
        weights[kept] = algorithm.weights(lengths[kept])
    return make_rows(scored, advantages.numpy(), weights.numpy())


def describe(scored: Sequence[ScoredGroup]) -> dict[str, float]:
    """Metrics of a step's groups: rewards, spread, lengths, how completions ended.

    A teacher's completions, which carry no rewards, are not described: nobody sampled them.
    """
    questions = [one.group.prompt.question for one in scored]
    metrics = {
        "data/questions": float(len(scored)),
        "data/truncated_clips": float(sum(one.group.prompt.truncated for one in scored)),
    }
    if any(q.contribution for q in questions):
        metrics["data/weak_share"] = float(np.mean([q.contribution == "weak" for q in questions]))
    names = scored[0].rewards
    if not names:
        return metrics
    totals = np.stack([one.total for one in scored])  # [Q, G]
    spreads = np.array([_spread(row) for row in totals])
    completions = [c for one in scored for c in one.group.completions]
    lengths = np.array([len(c.token_ids) for c in completions])
    metrics |= {
        "rollout/completions": float(len(completions)),
        "rollout/tokens": float(lengths.sum()),
        "rollout/length": float(lengths.mean()),
        "rollout/stop_rate": float(np.mean([c.stop_reason == "stop" for c in completions])),
        "group/no_spread": float(np.mean(spreads == 0.0)),
        "group/spread": float(spreads.mean()),
        "reward/failures": float(sum(len(one.failures) for one in scored)),
        "reward/total": _mean(totals),
    }
    for name in names:
        metrics[f"reward/{name}"] = _mean(np.stack([one.rewards[name] for one in scored]))
    return metrics


def _spread(totals: np.ndarray) -> float:
    """Standard deviation of the samples that have a value; exactly 0 where these are equal."""
    present = totals[~np.isnan(totals)]
    return float(present.std()) if len(present) and present.min() < present.max() else 0.0


def _mean(values: np.ndarray) -> float:
    """Mean of the samples that have a value; NaN where none has."""
    present = values[~np.isnan(values)]
    return float(present.mean()) if len(present) else float("nan")
