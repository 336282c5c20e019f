"""Samples and tokens for tests: from numbers written in the test, or random and ragged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from rlaudio.algorithms.algorithm import Algorithm, Samples, Tokens
from rlaudio.algorithms.cispo import CISPO
from rlaudio.algorithms.contribution_weighted import ContributionWeighted
from rlaudio.algorithms.dapo import DAPO
from rlaudio.algorithms.dppo import DPPO
from rlaudio.algorithms.gdpo import GDPO
from rlaudio.algorithms.grpo import GRPO
from rlaudio.algorithms.gspo import GSPO
from rlaudio.algorithms.mapo import MAPO
from rlaudio.algorithms.maxrl import MaxRL
from rlaudio.algorithms.papo import PAPO
from rlaudio.algorithms.ppo import PPO
from rlaudio.algorithms.reinforce_pp import ReinforcePP
from rlaudio.algorithms.rloo import RLOO
from rlaudio.algorithms.sapo import SAPO
from rlaudio.algorithms.vespo import VESPO
from tests.algorithms.second import Completion

ALGORITHMS = (
    CISPO, ContributionWeighted, DAPO, DPPO, GDPO, GRPO, GSPO, MAPO, MaxRL, PAPO, PPO, ReinforcePP, RLOO,
    SAPO, VESPO,
)  # fmt: skip
UNEVEN = torch.tensor([2, 8])  # lengths of two completions
NAN = float("nan")


def log(*values: float) -> list[float]:
    return [math.log(value) for value in values]


def doubles(values: Any) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def samples(
    rewards: Any,
    *,
    lengths: Any = None,
    truncated: Any = None,
    parts: dict[str, Any] | None = None,
    weights: dict[str, float] | None = None,
    **signals: Any,
) -> Samples:
    """Samples with rewards [Q, G]; every completion has one token and ended by itself if not given."""
    total = doubles(rewards)
    parts = parts or {"r": rewards}
    return Samples(
        rewards=total,
        parts={name: doubles(part) for name, part in parts.items()},
        part_weights=weights or dict.fromkeys(parts, 1.0),
        lengths=torch.ones(total.shape, dtype=torch.int64) if lengths is None else torch.tensor(lengths),
        truncated=torch.zeros(total.shape, dtype=torch.bool)
        if truncated is None
        else torch.tensor(truncated),
        signals={name: doubles(value) for name, value in signals.items()},
    )


def tokens(
    logprobs: Sequence[float],
    old: Sequence[float],
    advantages: Sequence[float],
    weights: Sequence[float],
    completions: Sequence[int] | None = None,
    **signals: Sequence[float],
) -> Tokens:
    """Tokens of one completion if not told otherwise; log-probs, values and silence ask for gradients."""
    return Tokens(
        logprobs=doubles(logprobs).requires_grad_(),
        old_logprobs=doubles(old),
        advantages=doubles(advantages),
        weights=doubles(weights),
        completions=torch.tensor([0] * len(logprobs) if completions is None else completions),
        signals={
            name: doubles(value).requires_grad_(name in ("values", "silence"))
            for name, value in signals.items()
        },
    )


def random_samples(seed: int, dropped: bool = True) -> Samples:
    """Three groups of four completions of 1 to 5 tokens; one group has equal rewards."""
    rng = np.random.default_rng(seed)
    accuracy = rng.integers(0, 2, (3, 4)).astype(float)
    layout = rng.integers(0, 3, (3, 4)) / 2
    accuracy[1], layout[1] = 1.0, 0.5
    accuracy[0] = [1.0, 0.0, 0.0, 1.0]
    if dropped:
        layout[2, 1] = NAN
    lengths = rng.integers(1, 6, (3, 4))
    values = rng.normal(size=(3, 4, 5)) * (np.arange(5) < lengths[..., None])
    return samples(
        2.0 * accuracy + 0.5 * layout,
        lengths=lengths,
        truncated=rng.random((3, 4)) < 0.3,
        parts={"accuracy": accuracy, "layout": layout},
        weights={"accuracy": 2.0, "layout": 0.5},
        contribution=rng.uniform(-1, 1, 3),
        values=values[..., : lengths.max()],
    )


def random_completions(seed: int, count: int = 7, drift: float = 0.3) -> list[Completion]:
    """Completions of 1 to 6 tokens whose log-probs moved by about `drift` since they were sampled."""
    rng = np.random.default_rng(seed)

    def moved(values: np.ndarray, by: float) -> np.ndarray:
        return values + by * rng.normal(size=len(values))

    made = []
    for _ in range(count):
        logprobs = -rng.exponential(size=rng.integers(1, 7))
        old_values = rng.normal(size=len(logprobs))
        made.append(
            Completion(
                logprobs=logprobs,
                old=moved(logprobs, drift),
                reference=moved(logprobs, 0.5),
                silence=moved(logprobs, 1.0),
                entropy=rng.exponential(size=len(logprobs)),
                silence_entropy=rng.exponential(size=len(logprobs)),
                advantages=np.full(len(logprobs), rng.normal()),
                values=moved(old_values, 0.3),
                old_values=old_values,
                returns=moved(old_values, 1.0),
            )
        )
    return made


def packed(completions: Sequence[Completion], algorithm: Algorithm) -> Tokens:
    """The completions of an update as tokens, with the algorithm's weights."""
    lengths = [len(c.logprobs) for c in completions]
    weights = algorithm.weights(torch.tensor(lengths)).double()

    def column(name: str) -> torch.Tensor:
        return torch.from_numpy(np.concatenate([getattr(c, name) for c in completions]))

    return Tokens(
        logprobs=column("logprobs").requires_grad_(),
        old_logprobs=column("old"),
        advantages=column("advantages"),
        weights=weights.repeat_interleave(torch.tensor(lengths)),
        completions=torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths)),
        signals={
            "reference": column("reference"),
            "silence": column("silence").requires_grad_(),
            "entropy": column("entropy"),
            "silence_entropy": column("silence_entropy"),
            "values": column("values").requires_grad_(),
            "old_values": column("old_values"),
            "returns": column("returns"),
        },
    )
