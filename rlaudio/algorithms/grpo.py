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
from rlaudio.algorithms.kl import kl_estimate
from rlaudio.algorithms.surrogate import clipped_surrogate, logged

STD_FLOOR = 1e-4  # added to the spread so that equal rewards give advantage 0; TRL and ms-swift use it too


@dataclass(frozen=True, kw_only=True)
class GRPO:
    """Group-relative policy optimisation with a clipped ratio and a KL to the reference.

    `clip` is epsilon below 1, `clip_high` above (the same if not given). `scale` divides by the group's
    standard deviation, or by nothing. `aggregate` averages per completion first (`sequence`, eq. 3), over
    all tokens of the update (`token`, DAPO), or divides by `length` tokens (`constant`). Dr. GRPO
    (arXiv:2503.20783) is `scale: none, aggregate: constant`. `kl` is beta; at 0 no reference is computed.
    """

    clip: float = 0.2
    clip_high: float | None = None
    kl: float = 0.001
    kl_estimate: Literal["k1", "k2", "k3"] = "k3"
    scale: Literal["group", "none"] = "group"
    aggregate: Literal["sequence", "token", "constant"] = "sequence"
    length: int = 128

    @property
    def needs(self) -> frozenset[Need]:
        """The reference, and groups without advantage, for the KL term alone."""
        return frozenset({"reference", "equal_groups"} if self.kl else ())

    def advantages(self, samples: Samples) -> torch.Tensor:
        """Advantages [Q, G]: rewards minus the group's mean, over its standard deviation (n - 1)."""
        return group_advantages(samples.rewards, scale=self.scale == "group")

    def weights(self, lengths: torch.Tensor) -> torch.Tensor:
        """Weight [S] of every token of each completion, by `aggregate`."""
        if self.aggregate == "constant":
            return constant_mean(lengths, self.length)
        return sequence_mean(lengths) if self.aggregate == "sequence" else token_mean(lengths)

    def loss(self, tokens: Tokens) -> Loss:
        """Clipped surrogate plus `kl` times the KL estimate (eq. 3 and 4), weighted over tokens."""
        high = self.clip if self.clip_high is None else self.clip_high
        ratio = (tokens.logprobs - tokens.old_logprobs).exp()
        policy, parts = clipped_surrogate(ratio, tokens.advantages, self.clip, high)
        if self.kl:
            kl = kl_estimate(tokens.logprobs, tokens.signals["reference"], self.kl_estimate)
            parts["loss/kl"] = kl
            policy = policy + self.kl * kl
        return Loss(total=(tokens.weights * policy).sum(), parts=logged(parts))


def group_advantages(rewards: torch.Tensor, scale: bool = True) -> torch.Tensor:
    """Rewards [Q, G] minus the mean of their group, over its standard deviation (n - 1) if `scale`.

    NaN rewards are dropped samples: they count in no mean and stay NaN. A group with fewer than two
    samples left, or with equal rewards, gets 0.
    """
    present = ~rewards.isnan()
    count = present.sum(-1, keepdim=True)  # [Q, 1]
    gap = rewards - rewards.nansum(-1, keepdim=True) / count.clamp(min=1)
    equal = rewards.nan_to_num(float("-inf")).amax(-1) == rewards.nan_to_num(float("inf")).amin(-1)
    gap = torch.where(equal.unsqueeze(-1) & present, 0.0, gap)  # exactly, whatever the mean rounds to
    if not scale:
        return gap
    variance = gap.nan_to_num().square().sum(-1, keepdim=True) / (count - 1).clamp(min=1)
    return gap / (variance.sqrt() + STD_FLOOR)
