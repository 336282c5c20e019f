"""The weights of a model by their names in its family's official checkpoint, which engines read too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from transformers.core_model_loading import revert_weight_conversion

# transformers 5.19 reverts the renaming of a model and that of its part too; vLLM knows the official name
_TWICE, _ONCE = "language_model.model.model.", "language_model.model."


def trained_weights(model: torch.nn.Module) -> Iterable[tuple[str, torch.Tensor]]:
    """The tensors that training may change, by their names in the model."""
    return ((name, p.detach()) for name, p in model.named_parameters() if p.requires_grad)


def official_names(
    model: Any, state: Mapping[str, torch.Tensor], prefix: str
) -> Iterable[tuple[str, torch.Tensor]]:
    """The tensors of a model by their names in the official checkpoint, where they begin with `prefix`.

    A head that is the embedding is not named a second time.
    """
    untied = {name: tensor for name, tensor in state.items() if name not in model.all_tied_weights_keys}
    named = revert_weight_conversion(model, untied)
    return ((prefix + name.replace(_TWICE, _ONCE, 1), tensor) for name, tensor in named.items())
