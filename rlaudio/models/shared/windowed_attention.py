"""Attention over a `Branching` for layers with a sliding window: a token sees those near before it."""

from __future__ import annotations

import torch
from torch.nn.functional import pad, scaled_dot_product_attention

from rlaudio.models.shared.branching import Branching, attend


def attend_near(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    branching: Branching,
    scale: float,
    window: int,
) -> torch.Tensor:
    """As `attend`, but no token attends to one that stands `window` or more positions before it.

    A row goes under a mask of its own tokens, unless all of them are near each other.
    """
    if branching.longest <= window:
        return attend(query, key, value, branching, scale)
    # GPU kernels that take a mask do not take fewer key heads
    key, value = (x.repeat_interleave(query.shape[1] // key.shape[1], dim=1) for x in (key, value))
    pieces = []
    for part, near in zip(branching.row_slices, branching.near(window, query.device), strict=True):
        before = slice(0, branching.shared if part.start else 0)
        keys, values = (torch.cat([x[:, :, before], x[:, :, part]], dim=2) for x in (key, value))
        pieces.append(
            scaled_dot_product_attention(query[:, :, part], keys, values, attn_mask=near, scale=scale)
        )
    padding = query.shape[2] - branching.tokens
    return pad(torch.cat(pieces, dim=2), (0, 0, 0, padding)).transpose(1, 2)
