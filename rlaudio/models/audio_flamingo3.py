"""Audio Flamingo 3: an encoder of Whisper over windows of 30 s, a projector, Qwen's language model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from transformers import AudioFlamingo3ForConditionalGeneration

from rlaudio.models.shared.cards import processor_card
from rlaudio.models.shared.chat_format import AFTER_USER, BEFORE_USER
from rlaudio.models.shared.front_ends import ClipFeatures, Windows, pooled_tokens, pooled_tokens_of_windows
from rlaudio.models.shared.known_shapes import AUDIO_FLAMINGO_3
from rlaudio.models.shared.model_types import MODEL_TYPES
from rlaudio.models.shared.prompt_encoder import PromptEncoder
from rlaudio.models.shared.sizes import AudioTower
from rlaudio.models.shared.windowed_family import WindowedFamily, encoder_shape, heard_frames
from rlaudio.types import Prompt

MOST_WINDOWS = 20  # 600 s, the default of transformers' `AudioFlamingo3Processor`


class AudioFlamingo3Prompts(PromptEncoder):
    """The chat template of the official conversion: one clip, then the text.

    Source: `convert_audioflamingo3_to_hf.py` in huggingface/transformers.
    """

    audio = "<sound>"
    stop = ("<|im_end|>", "<|endoftext|>")
    placeholders = (audio,)
    most_clips = 1

    @classmethod
    def chat(cls, system_text: str, user_text: str, clips: int) -> str:
        """The text of a prompt."""
        return BEFORE_USER.format(system=system_text) + cls.audio * clips + user_text + AFTER_USER

    def front_end(self, feature_extractor: Any, cache_mb: float) -> Windows:
        """Windows one by one, up to 600 s; what is longer is cut, as by the processor."""
        return Windows(
            feature_extractor, pooled_tokens_of_windows, most=MOST_WINDOWS, together=False, cache_mb=cache_mb
        )


class AudioFlamingo3(WindowedFamily):
    """Audio Flamingo 3 with its tokenizer and audio front end; its options are `AudioFamily`'s.

    A prompt holds one clip, heard up to 600 s. Source: Audio Flamingo 3, arXiv:2507.08128.
    """

    model_class = AudioFlamingo3ForConditionalGeneration
    model_types = MODEL_TYPES["audio_flamingo3"]
    prompts = AudioFlamingo3Prompts
    card = processor_card("Audio Flamingo 3", "AudioFlamingo3ForConditionalGeneration")
    known: ClassVar = {"nvidia/audio-flamingo-3-hf": AUDIO_FLAMINGO_3}

    def run_tower(self, clips: Sequence[ClipFeatures]) -> torch.Tensor:
        """Audio embeddings [audio tokens of all clips, d]; attention leaves the padding out."""
        features, heard = self.windows(clips)
        audio: torch.Tensor = self.model.get_audio_features(features, heard).pooler_output
        return audio

    def engine_audio(self, prompt: Prompt) -> dict[str, torch.Tensor]:
        """The features of a prompt's clip under vLLM's names for them."""
        features = prompt.present_features()
        windows = torch.from_numpy(features["input_features"])
        heard = heard_frames(torch.from_numpy(features["feature_lens"]), windows.shape[-1])
        counts = torch.from_numpy(features["windows"])
        return {"input_features": windows, "feature_attention_mask": heard, "chunk_counts": counts}

    @staticmethod
    def tower_shape(config: Any) -> AudioTower:
        """The shape of the audio tower, which computes whole windows for any clip."""
        tower, width = config.audio_config, config.text_config.hidden_size
        weights = tower.hidden_size * width + width**2
        return encoder_shape(
            tower, projector=weights, projected=tower.max_source_positions // 2, tokens=pooled_tokens
        )
