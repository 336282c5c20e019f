"""Prompts and weights of Qwen2.5-Omni as a rollout engine takes them, and the names of its checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from transformers.core_model_loading import revert_weight_conversion

from rlaudio.models.family import EnginePrompt
from rlaudio.models.shared import lora
from rlaudio.types import Prompt


def engine_prompt(prompt: Prompt, audio_token_id: int) -> EnginePrompt:
    """The prompt for vLLM, which takes log-mel frames unchanged and expands one placeholder itself."""
    is_audio = prompt.token_ids == audio_token_id
    expanded = np.flatnonzero(is_audio[1:] & is_audio[:-1]) + 1  # placeholders but for each clip's first
    token_ids: list[int] = np.delete(prompt.token_ids, expanded).tolist()
    features = prompt.present_features()
    if not prompt.clips:
        return EnginePrompt(token_ids, {})
    lengths = torch.from_numpy(features["feature_lens"])
    audio = {
        "input_audio_features": torch.from_numpy(features["input_features"]),
        "audio_feature_lengths": lengths,
        "feature_attention_mask": (torch.arange(int(lengths.max())) < lengths[:, None]).long(),
    }
    return EnginePrompt(token_ids, audio)


def trained_weights(model: torch.nn.Module) -> Iterable[tuple[str, torch.Tensor]]:
    """The tensors that training may change, by their names in the model."""
    return ((name, p.detach()) for name, p in model.named_parameters() if p.requires_grad)


def checkpoint_weights(
    model: torch.nn.Module, *, whole: bool, has_adapter: bool, device: torch.device
) -> Iterable[tuple[str, torch.Tensor]]:
    """What training may have changed, or the whole model, named as in the official checkpoint.

    Adapters are merged, one layer at a time: together they would need the memory of the model.
    """
    if whole:
        state = official_names(model, lora.merged_state(model))
        return ((name, tensor.to(device)) for name, tensor in state)
    if has_adapter:
        layers = lora.merged_layers(model)
        return (named for name, tensor in layers for named in official_names(model, {name: tensor}))
    return official_names(model, dict(trained_weights(model)))


def official_names(model: Any, state: Mapping[str, torch.Tensor]) -> Iterable[tuple[str, torch.Tensor]]:
    """The tensors of the thinker by their names in the official checkpoint."""
    named = revert_weight_conversion(model, dict(state))
    return ((f"thinker.{name}", tensor) for name, tensor in named.items())
