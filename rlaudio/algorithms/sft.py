"""Supervised fine-tuning: make the given completion likelier. The warm start of every curriculum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from rlaudio.algorithms.algorithm import Loss, Tokens, token_mean


@dataclass(frozen=True, kw_only=True)
class SFT:
    """Cross-entropy of the target tokens, averaged over all tokens of the step."""

    needs_reference: ClassVar[bool] = False

    def advantages(self, rewards: torch.Tensor) -> torch.Tensor:
        """Every target counts alike: ones in the shape of `rewards` [Q, G]."""
        return torch.ones_like(rewards)

    def weights(self, lengths: torch.Tensor) -> torch.Tensor:
        """Equal weight for every token of the step."""
        return token_mean(lengths)

    def loss(self, tokens: Tokens) -> Loss:
        """Weighted negative log-likelihood."""
        return Loss(total=-(tokens.weights * tokens.logprobs).sum(), parts={})
