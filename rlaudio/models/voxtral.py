"""Voxtral: an encoder of Whisper over windows of 30 s, a projector of four positions, Mistral's model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from transformers import VoxtralForConditionalGeneration

from rlaudio.models.shared.cards import processor_card
from rlaudio.models.shared.front_ends import ClipFeatures, Windows
from rlaudio.models.shared.known_shapes import VOXTRAL_MINI, VOXTRAL_SMALL
from rlaudio.models.shared.model_types import MODEL_TYPES
from rlaudio.models.shared.prompt_encoder import PromptEncoder
from rlaudio.models.shared.sizes import AudioTower
from rlaudio.models.shared.windowed_family import WindowedFamily, encoder_shape
from rlaudio.types import Prompt

WINDOW = 3000  # frames
WINDOW_TOKENS = 375  # of a window, silence included


class VoxtralPrompts(PromptEncoder):
    """The instruct format of mistral_common, version 7, whose control tokens are no text.

    It allows no system turn beside audio: the system's text begins the user's turn, as in the versions that
    had none.
    """

    audio = "[AUDIO]"
    stop = ("</s>",)
    placeholders = (audio, "[BEGIN_AUDIO]")

    @classmethod
    def chat(cls, system_text: str, user_text: str, clips: int) -> str:
        """The text of a prompt, as it would be decoded."""
        heard = f"[BEGIN_AUDIO]{cls.audio}" * clips
        return f"<s>[INST]{heard}{_asked(system_text, user_text)}[/INST]"

    def token_ids(self, system_text: str, user_text: str, counts: Sequence[int]) -> np.ndarray:
        """Token ids [P] of a prompt, `counts` audio tokens in the place of each clip."""
        pieces = [self._control("<s>"), self._control("[INST]")]
        for count in counts:
            pieces += [self._control("[BEGIN_AUDIO]"), np.full(count, self.audio_token_id)]
        asked = self._encode(_asked(system_text, user_text))
        return np.concatenate([*pieces, asked, self._control("[/INST]")])

    def front_end(self, feature_extractor: Any, cache_mb: float) -> Windows:
        """Windows of a clip together, any number of them."""
        return Windows(
            feature_extractor,
            lambda frames: len(frames) * WINDOW_TOKENS,
            most=None,
            together=True,
            cache_mb=cache_mb,
        )

    def _control(self, token: str) -> np.ndarray:
        return np.array([self.tokenizer.convert_tokens_to_ids(token)], dtype=np.int64)

    def _encode(self, text: str) -> np.ndarray:
        return np.array(self.tokenizer.encode(text, add_special_tokens=False), dtype=np.int64)


class Voxtral(WindowedFamily):
    """Voxtral with its tokenizer and audio front end; its options are `AudioFamily`'s.

    Its tokenizer, tekken.json, needs `pip install mistral-common`. Source: Voxtral, arXiv:2507.13264.
    """

    model_class = VoxtralForConditionalGeneration
    model_types = MODEL_TYPES["voxtral"]
    prompts = VoxtralPrompts
    card = processor_card("Voxtral", "VoxtralForConditionalGeneration", takes_files=True)
    known: ClassVar = {
        "mistralai/Voxtral-Mini-3B-2507": VOXTRAL_MINI,
        "mistralai/Voxtral-Small-24B-2507": VOXTRAL_SMALL,
    }

    def run_tower(self, clips: Sequence[ClipFeatures]) -> torch.Tensor:
        """Audio embeddings [audio tokens of all clips, d], those of silence after a clip included."""
        features, _ = self.windows(clips)
        audio: torch.Tensor = self.model.get_audio_features(features).pooler_output
        return audio

    def engine_audio(self, prompt: Prompt) -> dict[str, torch.Tensor]:
        """Nothing: vLLM's Voxtral takes samples and no features."""
        raise ValueError("vLLM takes no audio features for voxtral; sample with rollout.use=transformers")

    @staticmethod
    def tower_shape(config: Any) -> AudioTower:
        """The shape of the audio tower, which computes whole windows for any clip."""
        tower, width = config.audio_config, config.text_config.hidden_size
        weights = tower.intermediate_size * width + width**2
        return encoder_shape(tower, projector=weights, projected=WINDOW_TOKENS, tokens=_tokens)


def _asked(system_text: str, user_text: str) -> str:
    return "\n\n".join(filter(None, [system_text, user_text]))


def _tokens(frames: int) -> int:
    return -(-frames // WINDOW) * WINDOW_TOKENS
