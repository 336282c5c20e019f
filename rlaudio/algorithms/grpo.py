"""GRPO: a completion is as good as it is better than its group (arXiv:2402.03300, section 4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from rlaudio.algorithms.algorithm import (
    Loss,
    Need,
    Samples,
    Tokens,
    constant_mean,
    sequence_mean,
    token_mean,
)
from rlaudio.algorithms.groups import group_advantages
from rlaudio.algorithms.kl import kl_needs
from rlaudio.algorithms.options import check_range
from rlaudio.algorithms.surrogate import clipped_surrogate, token_ratio, with_kl


@dataclass(frozen=True, kw_only=True)
class GRPO:
    """Group-relative policy optimisation with a clipped ratio and a KL to the reference.

    `clip` is epsilon below 1, `clip_high` above (the same if not given). `scale` divides by the group's
    standard deviation, or by nothing. `aggregate` averages per completion first (`sequence`, eq. 3), over
    all tokens of the update (`token`, DAPO), or divides by `length` tokens (`constant`). Dr. GRPO
    (arXiv:2503.20783) is `scale: none, aggregate: constant` with sampling.max_new_tokens as `length`.
    `kl` is beta, by default that of arXiv:2509.21060; at 0 no reference is computed.
    """

    clip: float = 0.2
    clip_high: float | None = None
    kl: float = 0.001
    kl_estimate: Literal["k1", "k2", "k3"] = "k3"
    scale: Literal["group", "none"] = "group"
    aggregate: Literal["sequence", "token", "constant"] = "sequence"
    length: int | None = None

    def __post_init__(self) -> None:
        check_range("clip", self.clip, 0.0, 1.0)
        check_range("clip_high", self.clip_high, 0.0)
        check_range("kl", self.kl, 0.0)
        check_range("length", self.length, 1)
        if (self.aggregate == "constant") != (self.length is not None):
            raise ValueError(
                "algorithm.aggregate: constant and algorithm.length, the tokens that every completion counts "
                "as, go together; give both (Dr. GRPO: a length of sampling.max_new_tokens) or neither"
            )

    @property
    def needs(self) -> frozenset[Need]:
        """The reference, and groups without advantage, for the KL term alone."""
        return kl_needs(self.kl)

    def advantages(self, samples: Samples) -> torch.Tensor:
        """Advantages [Q, G]: rewards minus the group's mean, over its standard deviation (n - 1)."""
        return group_advantages(samples.rewards, scale=self.scale == "group")

    def weights(self, lengths: torch.Tensor) -> torch.Tensor:
        """Weight [S] of every token of each completion, by `aggregate`."""
        if self.length is not None:
            return constant_mean(lengths, self.length)
        return sequence_mean(lengths) if self.aggregate == "sequence" else token_mean(lengths)

    def loss(self, tokens: Tokens) -> Loss:
        """Clipped surrogate plus `kl` times the KL estimate (eq. 3 and 4), weighted over tokens."""
        high = self.clip if self.clip_high is None else self.clip_high
        policy, parts = clipped_surrogate(token_ratio(tokens), tokens.advantages, self.clip, high)
        return with_kl(tokens, policy, parts, self.kl, self.kl_estimate)
