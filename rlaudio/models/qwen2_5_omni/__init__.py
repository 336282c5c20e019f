"""Qwen2.5-Omni, the thinker alone: audio and text in, text out. The paper's backbone.

prompts.py   question and clip to token ids and features
card.py      what opens an exported folder
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from transformers import Qwen2_5OmniThinkerForConditionalGeneration as Thinker

from rlaudio.models.qwen2_5_omni.card import CARD
from rlaudio.models.qwen2_5_omni.prompts import Qwen2_5OmniPrompts
from rlaudio.models.shared.architecture import WITHOUT_TALKER, Modules
from rlaudio.models.shared.audio_family import AudioFamily
from rlaudio.models.shared.front_ends import ClipFeatures, frames_for_vllm, pooled_tokens
from rlaudio.models.shared.known_shapes import QWEN2_5_OMNI_3B, QWEN2_5_OMNI_7B
from rlaudio.models.shared.model_types import MODEL_TYPES
from rlaudio.models.shared.sizes import AudioTower
from rlaudio.types import Prompt


class Qwen2_5Omni(AudioFamily):
    """The thinker of Qwen2.5-Omni with its tokenizer and audio front end; its options are `AudioFamily`'s.

    Source: Qwen2.5-Omni Technical Report, arXiv:2503.20215.
    """

    model_class = Thinker
    model_types = MODEL_TYPES["qwen2_5_omni"]
    prompts = Qwen2_5OmniPrompts
    card = CARD
    prefix = "thinker."
    unused_name = "visual tower (unused)"
    exported = WITHOUT_TALKER
    known: ClassVar = {"Qwen/Qwen2.5-Omni-7B": QWEN2_5_OMNI_7B, "Qwen/Qwen2.5-Omni-3B": QWEN2_5_OMNI_3B}

    @staticmethod
    def components(model: Any) -> dict[str, Modules]:
        """The modules of each part; the projector is the tower's last layer."""
        tower = model.audio_tower
        return {
            "audio_tower": [module for name, module in tower.named_children() if name != "proj"],
            "projector": [tower.proj],
            "language_model": [model.get_decoder(), model.get_output_embeddings()],
        }

    @staticmethod
    def unused(model: Any) -> Modules:
        """The visual tower, and what stands around a clip in video."""
        return [model.visual, model.audio_tower.audio_bos_eos_token]

    def run_tower(self, clips: Sequence[ClipFeatures]) -> torch.Tensor:
        """Audio embeddings [audio tokens of all clips, d] in the order of the clips."""
        lengths = torch.tensor([clip.features.shape[1] for clip in clips], device=self.device)
        features = torch.from_numpy(np.concatenate([clip.features for clip in clips], axis=1))
        return self.model.audio_tower(
            features.to(self.device, self.dtype),  # [mels, frames of all clips]
            feature_lens=lengths,
            aftercnn_lens=(lengths - 1) // 2 + 1,
        ).last_hidden_state

    def engine_audio(self, prompt: Prompt) -> dict[str, torch.Tensor]:
        """The features of a prompt's clips under vLLM's names for them."""
        return frames_for_vllm(prompt)

    @staticmethod
    def tower_shape(config: Any) -> AudioTower:
        """The shape of the audio tower, whose attention spans chunks of 2 s."""
        config = config.audio_config
        return AudioTower(
            width=config.d_model,
            layers=config.encoder_layers,
            heads=config.encoder_attention_heads,
            feed_forward=config.encoder_ffn_dim,
            mels=config.num_mel_bins,
            chunk_frames=2 * config.n_window,
            projector=config.d_model * config.output_dim,
            tokens=pooled_tokens,
        )
