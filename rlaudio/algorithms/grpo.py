"""GRPO: a completion is as good as it is better than its group (arXiv:2402.03300, section 4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from rlaudio.algorithms.algorithm import Loss, Tokens, sequence_mean, token_mean

STD_FLOOR = 1e-4  # added to the spread so that equal rewards give advantage 0; TRL and ms-swift use it too
KL_LIMIT = 10.0  # the paper's framework clamps k3 to [-10, 10]


@dataclass(frozen=True, kw_only=True)
class GRPO:
    """Group-relative policy optimisation with a clipped ratio and the k3 estimate of the KL.

    `clip` is epsilon below 1, `clip_high` above (the same if not given); `scale` divides by the group's
    standard deviation or by nothing (Dr. GRPO); `aggregate` averages per completion first (`sequence`,
    eq. 3) or over all tokens of the step (`token`, DAPO). `kl` is beta; at 0 no reference is computed.
    """

    clip: float = 0.2
    clip_high: float | None = None
    kl: float = 0.001
    scale: Literal["group", "none"] = "group"
    aggregate: Literal["sequence", "token"] = "sequence"

    @property
    def needs_reference(self) -> bool:
        """Whether the loss reads reference log-probs."""
        return self.kl > 0.0

    def advantages(self, rewards: torch.Tensor) -> torch.Tensor:
        """Advantages [Q, G]: rewards minus the group's mean, over its standard deviation (n - 1).

        NaN rewards are dropped samples: they count in no mean and stay NaN. A group with fewer than two
        samples left, or with equal rewards, gets 0.
        """
        present = ~rewards.isnan()
        count = present.sum(-1, keepdim=True)  # [Q, 1]
        gap = rewards - rewards.nansum(-1, keepdim=True) / count.clamp(min=1)
        equal = rewards.nan_to_num(float("-inf")).amax(-1) == rewards.nan_to_num(float("inf")).amin(-1)
        gap = torch.where(equal.unsqueeze(-1) & present, 0.0, gap)  # exactly, whatever the mean rounds to
        if self.scale == "none":
            return gap
        variance = gap.nan_to_num().square().sum(-1, keepdim=True) / (count - 1).clamp(min=1)
        return gap / (variance.sqrt() + STD_FLOOR)

    def weights(self, lengths: torch.Tensor) -> torch.Tensor:
        """Weight [S] of every token of each completion, by `aggregate`."""
        return sequence_mean(lengths) if self.aggregate == "sequence" else token_mean(lengths)

    def loss(self, tokens: Tokens) -> Loss:
        """Clipped surrogate plus `kl` times k3 (eq. 3 and 4), weighted over tokens."""
        ratio = (tokens.logprobs - tokens.behaviour_logprobs).exp()
        high = self.clip if self.clip_high is None else self.clip_high
        clipped = ratio.clamp(1.0 - self.clip, 1.0 + high)
        policy = -torch.minimum(ratio * tokens.advantages, clipped * tokens.advantages)
        parts = {
            "loss/policy": policy,
            "loss/ratio_mean": ratio,
            "loss/clip_fraction": (clipped * tokens.advantages < ratio * tokens.advantages).float(),
        }
        per_token = policy
        if self.needs_reference:
            assert tokens.reference_logprobs is not None
            kl = k3(tokens.logprobs, tokens.reference_logprobs)
            parts["loss/kl"] = kl
            per_token = per_token + self.kl * kl
        return Loss(total=(tokens.weights * per_token).sum(), parts={k: v.detach() for k, v in parts.items()})


def k3(logprobs: torch.Tensor, reference_logprobs: torch.Tensor) -> torch.Tensor:
    """Unbiased, never negative estimate of KL(policy || reference) per token (eq. 4): e^gap - gap - 1."""
    gap = reference_logprobs - logprobs
    return (gap.exp() - gap - 1.0).clamp(-KL_LIMIT, KL_LIMIT)
