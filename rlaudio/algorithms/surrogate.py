"""The clipped surrogate of PPO (eq. 7, arXiv:1707.06347), which most algorithms here share."""

from __future__ import annotations

from collections.abc import Mapping

import torch


def clipped_surrogate(
    ratio: torch.Tensor, advantages: torch.Tensor, low: float, high: float
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """What to minimise per token [N], and what to log of it, for ratios and advantages [N].

    The ratio is clipped to [1 - low, 1 + high] where that makes the objective smaller.
    """
    clipped = ratio.clamp(1.0 - low, 1.0 + high)
    policy = -torch.minimum(ratio * advantages, clipped * advantages)
    return policy, {
        "loss/policy": policy,
        "loss/ratio_mean": ratio,
        "loss/clip_fraction": (clipped * advantages < ratio * advantages).float(),
    }


def logged(parts: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same tensors without gradient."""
    return {name: values.detach() for name, values in parts.items()}
