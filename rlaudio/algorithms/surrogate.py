"""The clipped surrogate of PPO that most algorithms share, and ratios for it."""

from __future__ import annotations

import torch

from rlaudio.algorithms.algorithm import Tokens, completion_mean

Parts = dict[str, torch.Tensor]


def token_ratio(tokens: Tokens) -> torch.Tensor:
    """New over old probability of every token [N]."""
    return (tokens.logprobs - tokens.old_logprobs).exp()


def sequence_ratio(tokens: Tokens) -> torch.Tensor:
    """New over old probability of a token's completion [N], to the power of 1 / its length.

    The value is the completion's, the gradient that of the token's own log-prob: GSPO-token, eq. 13 and 14
    of arXiv:2507.18071. Averaged over a completion's tokens both are those of GSPO (eq. 7).
    """
    gap = tokens.logprobs - tokens.old_logprobs
    token_gradient = gap - gap.detach()  # 0, with the token's gradient
    return (completion_mean(gap.detach(), tokens.completions) + token_gradient).exp()


def by_sign(advantages: torch.Tensor, positive: float, other: float) -> torch.Tensor:
    """`positive` [N] where the advantage is above 0, else `other`."""
    return torch.where(advantages > 0.0, advantages.new_tensor(positive), advantages.new_tensor(other))


def clipped_surrogate(
    ratio: torch.Tensor, advantages: torch.Tensor, low: float, high: float
) -> tuple[torch.Tensor, Parts]:
    """What to minimise per token [N], and what to log of it, for ratios and advantages [N].

    The ratio is clipped to [1 - low, 1 + high] where that makes the objective smaller (eq. 7,
    arXiv:1707.06347).
    """
    clipped = ratio.clamp(1.0 - low, 1.0 + high)
    policy = -torch.minimum(ratio * advantages, clipped * advantages)
    return policy, {
        "loss/policy": policy,
        "loss/ratio_mean": ratio,
        "loss/clip_fraction": (clipped * advantages < ratio * advantages).float(),
    }
