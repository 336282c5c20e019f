"""Which family a model's config.json belongs to."""

from __future__ import annotations

from collections.abc import Mapping

MODEL_TYPES: Mapping[str, tuple[str, ...]] = {  # by the family's name in a recipe
    "audio_flamingo3": ("audioflamingo3",),
    "gemma4": ("gemma4",),
    "qwen2_5_omni": ("qwen2_5_omni", "qwen2_5_omni_thinker"),
    "qwen2_audio": ("qwen2_audio",),
    "qwen3_omni": ("qwen3_omni_moe", "qwen3_omni_moe_thinker"),
    "voxtral": ("voxtral",),
}


def family_of(model_type: str) -> str | None:
    """The family's name in a recipe; None for a model of none."""
    return next((name for name, types in MODEL_TYPES.items() if model_type in types), None)
