"""What every algorithm offers, and the records that it reads. Algorithms see tensors only.

Shape letters: Q groups of a step, G completions of a group, C tokens of the longest completion, N target
tokens of a micro-batch, S completions of a mini-batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, cast, runtime_checkable

import torch


class Need(StrEnum):
    """What an algorithm may ask for beyond rewards and log-probs; `rlaudio.training.providers` has how."""

    REFERENCE = "reference"  # log-probs under the frozen reference policy, in `Tokens.signals`
    SILENCE = "silence"  # of the same tokens with silence for the clip, no gradient, in `Tokens.signals`
    SILENCE_GRADIENT = "silence_gradient"  # the same, named `silence` too, with the policy's gradient
    ENTROPY = "entropy"  # of the policy's distribution at each token, no gradient, in `Tokens.signals`
    SILENCE_ENTROPY = "silence_entropy"  # the same under the frozen reference with silence for the clip
    VALUES = "values"  # the critic's values, in both records; then the algorithm is an `ActorCritic`
    CONTRIBUTION = "contribution"  # how much the audio contributes on each question, in `Samples.signals`
    EQUAL_GROUPS = (
        "equal_groups"  # groups whose advantages are all 0 stay: a term of the loss learns from them
    )


@dataclass(frozen=True, eq=False)
class Samples:
    """The completions of a step, for the advantages. NaN in `rewards` marks dropped samples."""

    rewards: torch.Tensor  # [Q, G] float64, weighted sum of the parts
    parts: Mapping[str, torch.Tensor] = field(default_factory=dict)  # each reward by name [Q, G], unweighted
    part_weights: Mapping[str, float] = field(default_factory=dict)
    lengths: torch.Tensor = field(default_factory=lambda: torch.zeros(0))  # [Q, G] int64, tokens
    truncated: torch.Tensor = field(default_factory=lambda: torch.zeros(0))  # [Q, G] bool, cut short
    signals: Mapping[str, torch.Tensor] = field(default_factory=dict)  # contribution [Q], values [Q, G, C]

    @property
    def mask(self) -> torch.Tensor:
        """Which tokens exist: bool [Q, G, C], C at least 1."""
        return torch.arange(max(1, int(self.lengths.max()))) < self.lengths.unsqueeze(-1)


@dataclass(frozen=True, eq=False)
class Tokens:
    """The target tokens of a micro-batch, one entry each. A completion is never cut in two."""

    logprobs: torch.Tensor  # [N] under the policy that is trained; carries the gradient
    old_logprobs: torch.Tensor  # [N] under the policy that the ratio is taken to
    advantages: torch.Tensor  # [N] times the weights of `mismatch.correct`, which belong to the policy term
    weights: torch.Tensor  # [N] sum to 1 over the whole update, not over the micro-batch
    completions: torch.Tensor  # [N] int64, number of the completion that the token belongs to, from 0
    signals: Mapping[str, torch.Tensor] = field(default_factory=dict)  # what `needs` names, each [N]


@dataclass(frozen=True, eq=False)
class Loss:
    """A scalar to minimise, additive over micro-batches, and token sums to log as weighted means."""

    total: torch.Tensor  # []
    parts: dict[str, torch.Tensor]  # `loss/...` -> [N], logged as the mean over tokens with their weights


class Algorithm(Protocol):
    """An algorithm is a frozen dataclass: its fields are its options in the recipe."""

    @property
    def needs(self) -> frozenset[Need]:
        """What must be measured for the algorithm."""

    def advantages(self, samples: Samples) -> torch.Tensor:
        """Advantages [Q, G], or [Q, G, C] where tokens differ. NaN leaves a sample out of the update."""

    def weights(self, lengths: torch.Tensor) -> torch.Tensor:
        """Weight [S] of every token of each completion of an update, given their lengths [S] in tokens."""

    def loss(self, tokens: Tokens) -> Loss:
        """The loss of a micro-batch; summed over the micro-batches of an update it is the update's loss.

        Called for one micro-batch after the other. What it keeps in `self` is in no checkpoint.
        """


class ActorCritic(Algorithm, Protocol):
    """An algorithm that needs `VALUES`: a linear head on the policy's hidden states learns them.

    Its loss finds `values` (with gradient), `old_values` and `returns` in `Tokens.signals`.
    """

    @property
    def value_lr(self) -> float:
        """Peak learning rate of the value head; it follows the schedule of the policy's."""

    def returns(self, samples: Samples) -> torch.Tensor:
        """The critic's targets, [Q, G, C]."""


@runtime_checkable
class TokenLimited(Protocol):
    """An algorithm that takes the limit on completion tokens before it is used."""

    def with_token_limit(self, max_new_tokens: int) -> Algorithm:
        """The algorithm for completions of at most so many tokens."""


def as_critic(algorithm: Algorithm) -> ActorCritic | None:
    """The algorithm as an actor-critic; None where it needs no values."""
    return cast(ActorCritic, algorithm) if Need.VALUES in algorithm.needs else None


def sequence_mean(lengths: torch.Tensor) -> torch.Tensor:
    """Mean over a completion's tokens, then mean over completions."""
    return 1.0 / (lengths.double() * len(lengths))


def token_mean(lengths: torch.Tensor) -> torch.Tensor:
    """Mean over all tokens of the update: long completions count more."""
    return torch.ones_like(lengths, dtype=torch.float64) / lengths.sum()


def constant_mean(lengths: torch.Tensor, tokens: int) -> torch.Tensor:
    """Sum over a completion's tokens over a constant, then mean over completions: no bias by length."""
    return torch.ones_like(lengths, dtype=torch.float64) / (tokens * len(lengths))


def completion_mean(values: torch.Tensor, completions: torch.Tensor) -> torch.Tensor:
    """Mean of `values` [N] over the tokens of each completion, repeated for every token [N]."""
    return completion_sum(values, completions) / completion_sum(torch.ones_like(values), completions)


def completion_sum(values: torch.Tensor, completions: torch.Tensor) -> torch.Tensor:
    """Sum of `values` [N] over the tokens of each completion, repeated for every token [N]."""
    size = int(completions.max()) + 1 if len(completions) else 0
    return values.new_zeros(size).index_add(0, completions, values)[completions]
