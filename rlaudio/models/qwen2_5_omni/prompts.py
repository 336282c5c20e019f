"""Prompts of Qwen2.5-Omni."""

from __future__ import annotations

from typing import Any

from rlaudio.audio.logmel import LogMel
from rlaudio.models.shared.chat_format import AFTER_USER, BEFORE_USER
from rlaudio.models.shared.front_ends import Frames, pooled_tokens
from rlaudio.models.shared.prompt_encoder import PromptEncoder


class Qwen2_5OmniPrompts(PromptEncoder):
    """Qwen's chat format, each clip between two tokens."""

    audio = "<|AUDIO|>"
    stop = ("<|im_end|>", "<|endoftext|>")
    placeholders = (
        audio,
        "<|IMAGE|>",
        "<|VIDEO|>",
        "<|audio_bos|>",
        "<|audio_eos|>",
        "<|vision_bos|>",
        "<|vision_eos|>",
        "<|vision_pad|>",
    )

    @classmethod
    def chat(cls, system_text: str, user_text: str, clips: int) -> str:
        """The text of a prompt."""
        heard = f"<|audio_bos|>{cls.audio}<|audio_eos|>" * clips
        return BEFORE_USER.format(system=system_text) + heard + user_text + AFTER_USER

    def front_end(self, feature_extractor: Any, cache_mb: float) -> Frames:
        """Clips of any length up to the extractor's window, without padding."""
        return Frames(LogMel(feature_extractor, cache_mb=cache_mb), pooled_tokens)
