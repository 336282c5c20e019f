"""GRPO: a completion's advantage is its reward relative to its group (arXiv:2402.03300, section 4.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch

from rlaudio.algorithms.algorithm import Loss, Samples, Tokens, constant_mean, sequence_mean, token_mean
from rlaudio.algorithms.groups import group_advantages
from rlaudio.algorithms.options import AGGREGATE, PolicyOptions, check_range
from rlaudio.algorithms.surrogate import token_ratio


@dataclass(frozen=True, kw_only=True)
class GRPO(PolicyOptions):
    """Group-relative policy optimisation with a clipped ratio and a KL to the reference.

    `scale` divides by the group's standard deviation, or by nothing. `aggregate` averages per completion
    first (`sequence`, eq. 3), over all tokens of the update (`token`, DAPO), or divides by `length` tokens,
    in a run sampling.max_new_tokens if not given (`constant`). Dr. GRPO (arXiv:2503.20783) is
    `scale: none, aggregate: constant`.
    """

    scale: Literal["group", "none"] = "group"
    aggregate: Literal["sequence", "token", "constant"] = AGGREGATE
    length: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("length", self.length, 1)
        if self.length is not None and self.aggregate != "constant":
            raise ValueError(
                f"algorithm.length is {self.length} and algorithm.aggregate is {self.aggregate}, which does "
                "not divide by it; leave it out, or set aggregate: constant"
            )

    def with_token_limit(self, max_new_tokens: int) -> GRPO:
        """Every completion counts as so many tokens where a constant is divided by and none was given."""
        unknown = self.aggregate == "constant" and self.length is None
        return replace(self, length=max_new_tokens) if unknown else self

    def advantages(self, samples: Samples) -> torch.Tensor:
        """Advantages [Q, G]: rewards minus the group's mean, over its standard deviation (n - 1)."""
        return group_advantages(samples.rewards, scale=self.scale == "group")

    def weights(self, lengths: torch.Tensor) -> torch.Tensor:
        """Weight [S] of every token of each completion, by `aggregate`."""
        if self.aggregate == "constant":
            if self.length is None:
                raise ValueError(
                    "algorithm.aggregate is constant and what a completion counts as is not known; "
                    "give algorithm.length in tokens, or call with_token_limit"
                )
            return constant_mean(lengths, self.length)
        return sequence_mean(lengths) if self.aggregate == "sequence" else token_mean(lengths)

    def loss(self, tokens: Tokens) -> Loss:
        """Clipped surrogate plus `kl` times the KL estimate (eq. 3 and 4), weighted over tokens."""
        terms, parts = self.clipped(token_ratio(tokens), tokens.advantages)
        return self.with_kl(tokens, terms, parts)
