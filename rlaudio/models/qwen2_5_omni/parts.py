"""The parts of the thinker that the options `freeze` and `lora_targets` name."""

from __future__ import annotations

from typing import Any

import torch

from rlaudio.models.shared import lora

PARTS = ("audio_tower", "projector", "language_model")


def model_parts(model: Any) -> dict[str, list[torch.nn.Module]]:
    """The modules of each part."""
    tower = model.audio_tower
    encoder = [module for name, module in tower.named_children() if name != "proj"]
    language_model = [model.get_decoder(), model.get_output_embeddings()]
    return dict(zip(PARTS, (encoder, [tower.proj], language_model), strict=True))


def linear_layers(model: Any) -> dict[str, list[str]]:
    """Full names of the linear layers by their name in `lora_targets`."""
    return lora.linear_layers(model, model_parts(model), main="language_model")
