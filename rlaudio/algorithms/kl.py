"""Estimates of the KL divergence from log-probs of sampled tokens (J. Schulman, Approximating KL, 2020)."""

from __future__ import annotations

from typing import Literal

import torch

KL = Literal["k1", "k2", "k3"]
KL_LIMIT = 10.0  # the framework of arXiv:2509.21060 clamps k3 to [-10, 10]
GAP_LIMIT = 20.0  # k3 is far above its limit there; e^gap would overflow and its gradient be NaN further out


def kl_estimate(logprobs: torch.Tensor, reference_logprobs: torch.Tensor, kind: KL = "k3") -> torch.Tensor:
    """KL(policy || reference) per token [N], for tokens that the policy sampled.

    k1 is the log ratio: unbiased, either sign, and as a loss its gradient is 0 on average. k2 is half its
    square: biased, but its gradient is that of the true KL. k3 is e^gap - gap - 1: unbiased, never negative
    (eq. 4, arXiv:2402.03300).
    """
    gap = reference_logprobs - logprobs
    if kind == "k1":
        return -gap
    if kind == "k2":
        return 0.5 * gap.square()
    gap = gap.clamp(-GAP_LIMIT, GAP_LIMIT)
    return (gap.exp() - gap - 1.0).clamp(-KL_LIMIT, KL_LIMIT)
