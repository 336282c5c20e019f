"""Supervised fine-tuning: make the given completion likelier. The warm start of every curriculum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from rlaudio.algorithms.algorithm import Loss, Need, Samples, Tokens, token_mean


@dataclass(frozen=True, kw_only=True)
class SFT:
    """Cross-entropy of the target tokens, averaged over all tokens of the update."""

    needs: ClassVar[frozenset[Need]] = frozenset()

    def advantages(self, samples: Samples) -> torch.Tensor:
        """Every target counts alike: ones [Q, G]."""
        return torch.ones_like(samples.rewards)

    def weights(self, lengths: torch.Tensor) -> torch.Tensor:
        """Equal weight for every token of the update."""
        return token_mean(lengths)

    def loss(self, tokens: Tokens) -> Loss:
        """Weighted negative log-likelihood."""
        return Loss(total=-(tokens.weights * tokens.logprobs).sum(), parts={})
