"""Attention over a `Branching`, registered with transformers so that a model can be switched to it."""

from __future__ import annotations

from typing import Any

import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from rlaudio.models.shared.branching import Branching, attend, attend_without_gradient

BRANCHING = "branching"  # transformers' name for attention that takes a `Branching` or else a mask


def _branching_attention(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: Any, **options: Any
) -> tuple[torch.Tensor, None]:
    """An attention function of transformers, [B, T, heads, width]."""
    if isinstance(mask, Branching):
        return attend(query, key, value, mask, options["scaling"]), None
    if query.device.type == "cpu" and not torch.is_grad_enabled():
        return attend_without_gradient(query, key, value, mask, options["scaling"]), None
    return sdpa_attention_forward(module, query, key, value, mask, **options)


ALL_ATTENTION_FUNCTIONS.register(BRANCHING, _branching_attention)
ALL_MASK_ATTENTION_FUNCTIONS.register(BRANCHING, sdpa_mask)
