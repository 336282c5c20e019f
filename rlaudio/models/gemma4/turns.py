"""Prompts of Gemma 4."""

from __future__ import annotations

from typing import Any

import numpy as np
from transformers import Gemma4AudioFeatureExtractor

from rlaudio.audio.logmel import LogMel
from rlaudio.models.shared.front_ends import Frames, HeardFeatures
from rlaudio.models.shared.prompt_encoder import PromptEncoder
from rlaudio.types import Clip

MOST_SECONDS = 30.0  # heard of a clip: the extractor's `max_length` of 480,000 samples


class Gemma4Prompts(PromptEncoder):
    """The published chat template without tools and thinking; the clips stand behind the text.

    Sources: chat_template.jinja of google/gemma-4-E4B-it, whose card advises "audio content after the text";
    tokens, and where generation stops, of `convert_gemma4_weights.py` in huggingface/transformers.
    """

    audio = "<|audio|>"
    stop = ("<turn|>", "<eos>", "<|tool_response>")
    placeholders = (audio, "<|audio>", "<audio|>", "<|image|>", "<|image>", "<image|>", "<|video|>")
    extractor_class = Gemma4AudioFeatureExtractor

    @classmethod
    def chat(cls, system_text: str, user_text: str, clips: int) -> str:
        """The text of a prompt."""
        asked = user_text.strip() + f"<|audio>{cls.audio}<audio|>" * clips
        system = f"<bos><|turn>system\n{system_text.strip()}<turn|>\n"
        return f"{system}<|turn>user\n{asked}<turn|>\n<|turn>model\n"

    def front_end(self, feature_extractor: Any, cache_mb: float) -> Frames:
        """Clips without padding, up to 30 s."""
        log_mel = _WholeFrames(feature_extractor, cache_mb=cache_mb)
        return _Beginnings(log_mel, lambda frames: -(-frames // 4))


class _WholeFrames(LogMel):
    """Features of a clip's first 30 s, without the frames that reach beyond its end."""

    def extract(self, clip: Clip) -> np.ndarray:
        """The features of `clip` [mels, frames], computed anew."""
        self.check_rate(clip)
        out = self._extractor([clip.samples], return_tensors="np")
        return np.ascontiguousarray(out["input_features"][0][out["input_features_mask"][0]].T)


class _Beginnings(Frames):
    """The first 30 s of each clip; what is longer is cut, as by the processor."""

    def __call__(self, clip: Clip) -> HeardFeatures:
        """The frames [mels, frames] of one clip."""
        return super().__call__(clip)._replace(seconds=MOST_SECONDS, cut=clip.seconds > MOST_SECONDS)
