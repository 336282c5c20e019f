"""Prompts of Qwen's omni models: each clip stands between two tokens."""

from __future__ import annotations

from typing import ClassVar

from rlaudio.models.shared.chat_format import AFTER_USER, BEFORE_USER
from rlaudio.models.shared.prompt_encoder import PromptEncoder


class OmniPrompts(PromptEncoder):
    """Qwen's chat format; a family names the tokens, and how a clip is heard."""

    begin: ClassVar[str]  # of a clip
    end: ClassVar[str]
    stop = ("<|im_end|>", "<|endoftext|>")

    @classmethod
    def chat(cls, system_text: str, user_text: str, clips: int) -> str:
        """The text of a prompt."""
        heard = f"{cls.begin}{cls.audio}{cls.end}" * clips
        return BEFORE_USER.format(system=system_text) + heard + user_text + AFTER_USER
