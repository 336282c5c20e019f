"""GDPO: every reward is normalised in its group before the rewards are summed (arXiv:2601.05242)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from rlaudio.algorithms.algorithm import Loss, Samples, Tokens, sequence_mean, token_mean
from rlaudio.algorithms.groups import batch_scaled, group_advantages
from rlaudio.algorithms.options import AGGREGATE, PolicyOptions
from rlaudio.algorithms.surrogate import token_ratio


@dataclass(frozen=True, kw_only=True)
class GDPO(PolicyOptions):
    """GRPO with decoupled rewards: answers that differ in one reward alone get different advantages.

    With rewards summed first, (right, bad format) and (wrong, good format) may get equal sums. Here each
    reward becomes a separate group advantage, the recipe's weights add them up, and the sum is divided by
    its standard deviation over the step, so that its size does not grow with the number of rewards.
    """

    aggregate: Literal["sequence", "token"] = AGGREGATE

    def advantages(self, samples: Samples) -> torch.Tensor:
        """Advantages [Q, G]: those of each reward (eq. 4), summed (eq. 7), over the step's spread (eq. 6)."""
        total = torch.zeros_like(samples.rewards).masked_fill(samples.rewards.isnan(), float("nan"))
        for name, weight in samples.part_weights.items():
            part = samples.parts[name].masked_fill(samples.rewards.isnan(), float("nan"))
            total = total + weight * group_advantages(part)
        return batch_scaled(total)

    def weights(self, lengths: torch.Tensor) -> torch.Tensor:
        """Weight [S] of every token of each completion, by `aggregate`."""
        return sequence_mean(lengths) if self.aggregate == "sequence" else token_mean(lengths)

    def loss(self, tokens: Tokens) -> Loss:
        """Clipped surrogate plus `kl` times the KL estimate, weighted over tokens."""
        terms, parts = self.clipped(token_ratio(tokens), tokens.advantages)
        return self.with_kl(tokens, terms, parts)
