"""Families whose audio tower is an encoder of Whisper: it hears windows of 30 s, filled up with silence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from rlaudio.models.shared.architecture import Modules
from rlaudio.models.shared.audio_family import AudioFamily
from rlaudio.models.shared.front_ends import ClipFeatures
from rlaudio.models.shared.sizes import AudioTower


class WindowedFamily(AudioFamily):
    """A family with an encoder of Whisper, a projector of its own, and a language model."""

    @staticmethod
    def components(model: Any) -> dict[str, Modules]:
        """The modules of each part."""
        tower = model.model.audio_tower
        return {
            "audio_tower": [tower.conv1, tower.conv2, tower.layers, tower.layer_norm],
            "projector": [model.model.multi_modal_projector],
            "language_model": [model.get_decoder(), model.get_output_embeddings()],
        }

    @staticmethod
    def unused(model: Any) -> Modules:
        """The encoder's positions, which are computed and never train."""
        return [model.model.audio_tower.embed_positions]

    def windows(self, clips: Sequence[ClipFeatures]) -> tuple[torch.Tensor, torch.Tensor]:
        """All windows [windows, mels, frames], and which frames of them are audio [windows, frames]."""
        features = torch.from_numpy(np.concatenate([clip.features for clip in clips]))
        lengths = torch.from_numpy(np.concatenate([clip.frames for clip in clips]))
        heard = heard_frames(lengths, features.shape[-1])
        return features.to(self.device, self.dtype), heard.to(self.device)


def heard_frames(lengths: torch.Tensor, frames: int) -> torch.Tensor:
    """Which frames [windows, frames] are audio and no padding, 1 or 0."""
    return (torch.arange(frames) < lengths[:, None]).long()


def encoder_shape(config: Any, *, projector: int, projected: int, tokens: Callable[[int], int]) -> AudioTower:
    """The shape of an encoder of Whisper, which computes whole windows for any clip.

    `projector` counts weights of the projector's matrix products, `projected` the tokens of a window that
    it sees; `tokens` as in `AudioTower`.
    """
    window = 2 * config.max_source_positions
    return AudioTower(
        width=config.d_model,
        layers=config.encoder_layers,
        heads=config.encoder_attention_heads,
        feed_forward=config.encoder_ffn_dim,
        mels=config.num_mel_bins,
        chunk_frames=window,
        projector=projector,
        tokens=tokens,
        projected=lambda frames: -(-frames // window) * projected,
        padded=True,
    )
