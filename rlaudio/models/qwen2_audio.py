"""Qwen2-Audio: an encoder of Whisper that hears 30 s, a linear projector, Qwen's language model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from transformers import Qwen2AudioForConditionalGeneration
from transformers.masking_utils import create_bidirectional_mask

from rlaudio.models.shared.cards import processor_card
from rlaudio.models.shared.chat_format import AFTER_USER, BEFORE_USER
from rlaudio.models.shared.front_ends import ClipFeatures, Windows, pooled_tokens, pooled_tokens_of_windows
from rlaudio.models.shared.known_shapes import QWEN2_AUDIO_7B
from rlaudio.models.shared.model_types import MODEL_TYPES
from rlaudio.models.shared.prompt_encoder import PromptEncoder
from rlaudio.models.shared.sizes import AudioTower
from rlaudio.models.shared.windowed_family import WindowedFamily, encoder_shape, heard_frames
from rlaudio.types import Prompt

WINDOW = 3000  # frames


class Qwen2AudioPrompts(PromptEncoder):
    """The chat template in transformers' `Qwen2AudioProcessor`: clips are numbered, each on a line."""

    audio = "<|AUDIO|>"
    stop = ("<|im_end|>", "<|endoftext|>")
    placeholders = (audio, "<|audio_bos|>", "<|audio_eos|>")

    @classmethod
    def chat(cls, system_text: str, user_text: str, clips: int) -> str:
        """The text of a prompt."""
        lines = [f"Audio {n}: <|audio_bos|>{cls.audio}<|audio_eos|>\n" for n in range(1, clips + 1)]
        return BEFORE_USER.format(system=system_text) + "".join(lines) + user_text + AFTER_USER

    def front_end(self, feature_extractor: Any, cache_mb: float) -> Windows:
        """One window a clip; what is longer is cut, as by the processor."""
        return Windows(feature_extractor, pooled_tokens_of_windows, most=1, together=False, cache_mb=cache_mb)


class Qwen2Audio(WindowedFamily):
    """Qwen2-Audio with its tokenizer and audio front end; its options are `AudioFamily`'s.

    A clip is heard up to 30 s. Source: Qwen2-Audio Technical Report, arXiv:2407.10759.
    """

    model_class = Qwen2AudioForConditionalGeneration
    model_types = MODEL_TYPES["qwen2_audio"]
    prompts = Qwen2AudioPrompts
    card = processor_card("Qwen2-Audio", "Qwen2AudioForConditionalGeneration")
    known: ClassVar = dict.fromkeys(("Qwen/Qwen2-Audio-7B-Instruct", "Qwen/Qwen2-Audio-7B"), QWEN2_AUDIO_7B)

    def run_tower(self, clips: Sequence[ClipFeatures]) -> torch.Tensor:
        """Audio embeddings [audio tokens of all clips, d]; attention leaves the padding out."""
        features, heard = self.windows(clips)
        model = self.model.model
        positions, tokens = model.audio_tower._get_feat_extract_output_lengths(heard.sum(-1))
        width = (features.shape[-1] - 1) // 2 + 1
        mask = create_bidirectional_mask(
            config=model.audio_tower.config,
            inputs_embeds=features.new_empty(len(features), width, 1),
            attention_mask=(torch.arange(width, device=self.device) < positions[:, None]).long(),
        )
        hidden = model.audio_tower(features, attention_mask=mask).last_hidden_state
        audio = model.multi_modal_projector(hidden)  # [windows, tokens of a window, d]
        return audio[torch.arange(audio.shape[1], device=self.device) < tokens[:, None]]

    def engine_audio(self, prompt: Prompt) -> dict[str, torch.Tensor]:
        """The features of a prompt's clips under vLLM's names for them."""
        features = prompt.present_features()
        windows = torch.from_numpy(features["input_features"])
        heard = heard_frames(torch.from_numpy(features["feature_lens"]), windows.shape[-1])
        return {"input_features": windows, "feature_attention_mask": heard}

    @staticmethod
    def tower_shape(config: Any) -> AudioTower:
        """The shape of the audio tower, which computes a whole window for any clip."""
        tower = config.audio_config
        weights = tower.d_model * config.text_config.hidden_size
        return encoder_shape(
            tower, projector=weights, projected=tower.max_source_positions // 2, tokens=_of_cut
        )


def _of_cut(frames: int) -> int:
    """Tokens of a clip of any length, of which one window is heard."""
    return pooled_tokens(min(frames, WINDOW))
