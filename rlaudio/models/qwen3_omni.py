"""Qwen3-Omni, the thinker alone: audio and text in, text out; its language model is a mixture of experts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from transformers import Qwen3OmniMoeThinkerForConditionalGeneration as Thinker
from transformers.models.qwen3_omni_moe.modeling_qwen3_omni_moe import Qwen3OmniMoeThinkerTextTopKRouter

from rlaudio.models.shared.architecture import WITHOUT_TALKER, Modules
from rlaudio.models.shared.audio_family import AudioFamily
from rlaudio.models.shared.cards import processor_card
from rlaudio.models.shared.front_ends import ClipFeatures, Frames, UnpaddedLogMel, frames_for_vllm
from rlaudio.models.shared.known_shapes import QWEN3_OMNI_30B_A3B
from rlaudio.models.shared.model_types import MODEL_TYPES
from rlaudio.models.shared.omni_prompts import OmniPrompts
from rlaudio.models.shared.sizes import AudioTower
from rlaudio.types import Prompt

CHUNK, CHUNK_TOKENS = 100, 13  # frames of a whole chunk, and its tokens


def chunk_tokens(frames: int) -> int:
    """Audio tokens of a clip of so many frames: three convolutions of stride 2 over each chunk."""
    rest = frames % CHUNK
    return frames // CHUNK * CHUNK_TOKENS + (_halved(rest)[2] if rest else 0)


class Qwen3OmniPrompts(OmniPrompts):
    """The tokens of Qwen3-Omni, and clips of any length without padding, each as if it were alone."""

    audio, begin, end = "<|audio_pad|>", "<|audio_start|>", "<|audio_end|>"
    placeholders = (
        *(audio, begin, end),
        *("<|image_pad|>", "<|video_pad|>"),
        *("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>"),
    )

    def front_end(self, feature_extractor: Any, cache_mb: float) -> Frames:
        """Clips without padding."""
        return Frames(UnpaddedLogMel(feature_extractor, cache_mb=cache_mb), chunk_tokens)


@dataclass(frozen=True, kw_only=True)
class _ConvolvedTower(AudioTower):
    """Three convolutions of stride 2 in time and frequency, then a product to the width of the blocks."""

    channels: int

    def convolved(self, frames: int) -> int:
        """Positions that a chunk of so many frames becomes."""
        return _halved(frames)[2]

    def convolutions(self, frames: int) -> tuple[int, int]:
        """Multiplications for a chunk of so many frames, in the first convolution and in the others."""
        first, second, third = (t * f for t, f in zip(_halved(frames), _halved(self.mels), strict=True))
        others = 9 * (second + third) * self.channels**2 + third * self.channels * self.width
        return 9 * first * self.channels, others


def _halved(length: int) -> tuple[int, int, int]:
    """A length after each of three convolutions of stride 2."""
    first = (length - 1) // 2 + 1
    second = (first - 1) // 2 + 1
    return first, second, (second - 1) // 2 + 1


class Qwen3Omni(AudioFamily):
    """The thinker of Qwen3-Omni with its tokenizer and audio front end; its options are `AudioFamily`'s.

    `freeze: [router]` leaves the choice of experts as it is. Source: Qwen3-Omni Technical Report,
    arXiv:2509.17765.
    """

    model_class = Thinker
    model_types = MODEL_TYPES["qwen3_omni"]
    prompts = Qwen3OmniPrompts
    card = processor_card("A thinker of Qwen3-Omni", "Qwen3OmniMoeThinkerForConditionalGeneration")
    prefix = "thinker."
    unused_name = "visual tower (unused)"
    exported = WITHOUT_TALKER
    known: ClassVar = dict.fromkeys(
        ("Qwen/Qwen3-Omni-30B-A3B-Instruct", "Qwen/Qwen3-Omni-30B-A3B-Thinking"), QWEN3_OMNI_30B_A3B
    )

    @staticmethod
    def components(model: Any) -> dict[str, Modules]:
        """The modules of each part; the projector is the tower's last two layers."""
        tower = model.audio_tower
        last = ("proj1", "proj2")
        decoder = model.get_decoder()
        routers = [m for m in decoder.modules() if isinstance(m, Qwen3OmniMoeThinkerTextTopKRouter)]
        return {
            "audio_tower": [module for name, module in tower.named_children() if name not in last],
            "projector": [tower.proj1, tower.proj2],
            "router": routers,
            "language_model": [decoder, model.get_output_embeddings()],
        }

    @staticmethod
    def unused(model: Any) -> Modules:
        """The visual tower."""
        return [model.visual]

    def run_tower(self, clips: Sequence[ClipFeatures]) -> torch.Tensor:
        """Audio embeddings [audio tokens of all clips, d] in the order of the clips."""
        tower = self.model.audio_tower
        if any(clip.features.shape[1] < CHUNK for clip in clips):  # a longer clip beside it would pad it
            return torch.cat([self._run(tower, [clip]) for clip in clips])
        return self._run(tower, clips)

    def _run(self, tower: Any, clips: Sequence[ClipFeatures]) -> torch.Tensor:
        features = torch.from_numpy(np.concatenate([clip.features for clip in clips], axis=1))
        lengths = torch.tensor([clip.features.shape[1] for clip in clips], device=self.device)
        audio: torch.Tensor = tower(
            features.to(self.device, self.dtype), feature_lens=lengths
        ).last_hidden_state
        return audio

    def engine_audio(self, prompt: Prompt) -> dict[str, torch.Tensor]:
        """The features of a prompt's clips under vLLM's names for them."""
        return frames_for_vllm(prompt)

    @staticmethod
    def tower_shape(config: Any) -> AudioTower:
        """The shape of the audio tower, whose attention spans several chunks of 1 s."""
        tower = config.audio_config
        return _ConvolvedTower(
            width=tower.d_model,
            layers=tower.encoder_layers,
            heads=tower.encoder_attention_heads,
            feed_forward=tower.encoder_ffn_dim,
            mels=tower.num_mel_bins,
            chunk_frames=2 * tower.n_window,
            projector=tower.d_model**2 + tower.d_model * tower.output_dim,
            tokens=chunk_tokens,
            channels=tower.downsample_hidden_size,
            span=tower.n_window_infer // (2 * tower.n_window),
        )
