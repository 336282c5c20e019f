"""Rewards against the mean of their group: the base of most algorithms' advantages.

NaN marks a dropped sample: it counts in no mean and stays NaN. The standard deviation is that of a sample
(n - 1) everywhere, as in the code of GRPO's authors, TRL and verl.
"""

from __future__ import annotations

import torch

STD_FLOOR = 1e-4  # added to a standard deviation, so that equal values give 0; TRL and ms-swift use it too


def group_advantages(rewards: torch.Tensor, scale: bool = True) -> torch.Tensor:
    """Rewards [Q, G] minus the mean of their group, over its standard deviation if `scale`.

    A group of which one sample is left, or whose rewards are equal, gets exactly 0. Raises ValueError for
    groups of one completion.
    """
    refuse_single(rewards)
    gap = gap_to_mean(rewards)
    return gap / (spread(gap) + STD_FLOOR) if scale else gap


def batch_normalised(values: torch.Tensor) -> torch.Tensor:
    """Values of any shape minus the mean of all, over the standard deviation of all."""
    gap = gap_to_mean(values.reshape(1, -1))
    return (gap / (spread(gap) + STD_FLOOR)).reshape(values.shape)


def batch_scaled(gap: torch.Tensor) -> torch.Tensor:
    """Values [Q, G] that sum to 0 in every group, over the standard deviation of all.

    Their mean is 0 already; to subtract its rounding error would move groups that have no advantage.
    """
    return gap / (spread(gap.reshape(1, -1)) + STD_FLOOR)


def leave_one_out(rewards: torch.Tensor) -> torch.Tensor:
    """Rewards [Q, G] minus the mean of the others of their group; 0 where no other is left.

    Raises ValueError for groups of one completion.
    """
    refuse_single(rewards)
    count = (~rewards.isnan()).sum(-1, keepdim=True)  # [Q, 1]
    return gap_to_mean(rewards) * count / (count - 1).clamp(min=1)


def gap_to_mean(values: torch.Tensor) -> torch.Tensor:
    """Values [Q, G] minus the mean of their row; exactly 0 where they are equal, as a mean may be rounded."""
    present = ~values.isnan()
    mean = values.nansum(-1, keepdim=True) / present.sum(-1, keepdim=True).clamp(min=1)
    highest, lowest = values.nan_to_num(float("-inf")).amax(-1), values.nan_to_num(float("inf")).amin(-1)
    return torch.where((highest == lowest).unsqueeze(-1) & present, 0.0, values - mean)


def spread(gap: torch.Tensor) -> torch.Tensor:
    """Standard deviation [Q, 1] of rows [Q, G] whose mean is 0; 0 for a single value."""
    count = (~gap.isnan()).sum(-1, keepdim=True)
    return (gap.nan_to_num().square().sum(-1, keepdim=True) / (count - 1).clamp(min=1)).sqrt()


def refuse_single(rewards: torch.Tensor) -> None:
    """Raise ValueError for rewards [Q, 1]: one completion has no group to be compared with."""
    if rewards.shape[-1] < 2:
        raise ValueError(
            "this algorithm compares a question's completions with each other and found 1; expected 2 or "
            "more; raise sampling.group_size, or use an algorithm without groups: reinforce_pp or ppo"
        )
