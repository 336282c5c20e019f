"""Attention over a `Branching`, registered with transformers so that a model can be switched to it.

A decoder passes keywords that it does not know on to the attention of its layers: `branching` is one, and a
layer with a sliding window adds how long it is. Masks are those of scaled_dot_product_attention, but for
tokens that nothing stands before and that no padding is among: there none is made, since they attend causally
or as the `Branching` says.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from rlaudio.models.shared.branching import attend, attend_without_gradient
from rlaudio.models.shared.windowed_attention import attend_near

BRANCHING = "branching"  # transformers' name for attention that takes a `Branching` or else a mask


def _branching_attention(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: Any, **options: Any
) -> tuple[torch.Tensor, None]:
    """An attention function of transformers, [B, T, heads, width]."""
    branching = options.pop("branching", None)
    if branching is not None and options.get("sliding_window"):
        near = attend_near(query, key, value, branching, options["scaling"], options["sliding_window"])
        return near, None
    if branching is not None:
        return attend(query, key, value, branching, options["scaling"]), None
    if query.device.type == "cpu" and not torch.is_grad_enabled():
        return attend_without_gradient(query, key, value, mask, options["scaling"]), None
    return sdpa_attention_forward(module, query, key, value, mask, **options)


def _mask(*, attention_mask: torch.Tensor | None = None, q_offset: int = 0, **options: Any) -> Any:
    """A mask function of transformers, bool [B, 1, T, S], or None."""
    if attention_mask is None and q_offset == 0:
        return None
    return sdpa_mask(attention_mask=attention_mask, q_offset=q_offset, **options)


ALL_ATTENTION_FUNCTIONS.register(BRANCHING, _branching_attention)
ALL_MASK_ATTENTION_FUNCTIONS.register(BRANCHING, _mask)
