"""Prompts of Qwen2.5-Omni."""

from __future__ import annotations

from typing import Any

from rlaudio.audio.logmel import LogMel
from rlaudio.models.shared.front_ends import Frames, pooled_tokens
from rlaudio.models.shared.omni_prompts import OmniPrompts


class Qwen2_5OmniPrompts(OmniPrompts):
    """The tokens of Qwen2.5-Omni, and clips of any length up to the extractor's window, without padding."""

    audio, begin, end = "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>"
    placeholders = (
        *(audio, "<|IMAGE|>", "<|VIDEO|>"),
        *(begin, end),
        *("<|vision_bos|>", "<|vision_eos|>", "<|vision_pad|>"),
    )

    def front_end(self, feature_extractor: Any, cache_mb: float) -> Frames:
        """Clips without padding."""
        return Frames(LogMel(feature_extractor, cache_mb=cache_mb), pooled_tokens)
