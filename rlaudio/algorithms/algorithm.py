"""What every algorithm offers, and the record its loss reads. Algorithms see tensors only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch


@dataclass(frozen=True, eq=False)
class Tokens:
    """The target tokens of a micro-batch, one entry each. N: target tokens."""

    logprobs: torch.Tensor  # [N] under the policy that is trained; carries the gradient
    behaviour_logprobs: torch.Tensor  # [N] under the policy that sampled them
    reference_logprobs: torch.Tensor | None  # [N] under the frozen reference; None where nothing needs it
    advantages: torch.Tensor  # [N]
    weights: torch.Tensor  # [N] sum to 1 over the whole step, not over the micro-batch


@dataclass(frozen=True, eq=False)
class Loss:
    """A scalar to minimise, additive over micro-batches, and token sums to log as weighted means."""

    total: torch.Tensor  # []
    parts: dict[str, torch.Tensor]  # name -> [N], logged as the mean over tokens with their weights


class Algorithm(Protocol):
    """An algorithm is a frozen dataclass: its fields are its options in the recipe."""

    @property
    def needs_reference(self) -> bool:
        """Whether the loss reads the log-probs of a frozen reference policy."""

    def advantages(self, rewards: torch.Tensor) -> torch.Tensor:
        """Advantages [Q, G] of rewards [Q, G]; NaN marks dropped samples and stays NaN."""

    def weights(self, lengths: torch.Tensor) -> torch.Tensor:
        """Weight [S] of every token of each of S completions, given their lengths [S] in tokens."""

    def loss(self, tokens: Tokens) -> Loss:
        """The loss of a micro-batch; summed over the micro-batches of a step it is the step's loss."""


def sequence_mean(lengths: torch.Tensor) -> torch.Tensor:
    """Mean over a completion's tokens, then mean over completions."""
    return 1.0 / (lengths.double() * len(lengths))


def token_mean(lengths: torch.Tensor) -> torch.Tensor:
    """Mean over all tokens of the step: long completions count more."""
    return torch.ones_like(lengths, dtype=torch.float64) / lengths.sum()
