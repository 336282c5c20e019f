"""Shapes of Gemma 4's parts, for plans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rlaudio.models.gemma4.turns import MOST_SECONDS
from rlaudio.models.shared.sizes import AudioTower, Decoder

MOST_FRAMES = round(100 * MOST_SECONDS)


@dataclass(frozen=True, kw_only=True)
class Gemma4Tower(AudioTower):
    """A conformer behind two convolutions of stride 2 in time and frequency; it hears 30 s."""

    channels: tuple[int, int]

    def chunks(self, frames: int) -> list[int]:
        """Frames of each chunk of a clip."""
        return super().chunks(min(frames, MOST_FRAMES))

    def convolved(self, frames: int) -> int:
        """Positions that a chunk of so many frames becomes."""
        return -(-frames // 4)

    def convolutions(self, frames: int) -> tuple[int, int]:
        """Multiplications for a chunk of so many frames, in the first convolution and in the others."""
        first, second = self.channels
        positions, bands = self.convolved(frames), self.mels // 4
        others = 9 * positions * bands * first * second + positions * bands * second * self.width
        return 9 * 4 * positions * bands * first, others


def tower_shape(config: Any) -> Gemma4Tower:
    """The tower of a model's config: a block of 12 positions attends to itself and the one before it."""
    tower = config.audio_config
    width = tower.hidden_size
    return Gemma4Tower(
        width=width,
        layers=tower.num_hidden_layers,
        heads=tower.num_attention_heads,
        feed_forward=19 * width // 2,  # two layers of 4 x the width, and 3 products beside the convolution
        mels=128,
        chunk_frames=4 * tower.attention_chunk_size,
        projector=width * tower.output_proj_dims + tower.output_proj_dims * config.text_config.hidden_size,
        tokens=audio_tokens,
        channels=tuple(tower.subsampling_conv_channels),
        span=2,
    )


def audio_tokens(frames: int) -> int:
    """Audio tokens of a clip of so many hops of 10 ms: the last frame would reach beyond it."""
    return -(-(min(frames, MOST_FRAMES) - 1) // 4)


@dataclass(frozen=True, kw_only=True)
class Gemma4Decoder(Decoder):
    """A language model whose layers differ in width; what a plan counts is their mean.

    Attention is counted as if no layer had a window.
    """

    mean_query: int
    mean_kv: int

    @property
    def query_width(self) -> int:
        """Width of a token's queries over all heads."""
        return self.mean_query

    @property
    def kv_width(self) -> int:
        """Width of a token's keys: 0 in layers that use those of another."""
        return self.mean_kv


def decoder_shape(config: Any) -> Gemma4Decoder:
    """The language model of a text config."""
    layers = config.num_hidden_layers
    unshared = layers - config.num_kv_shared_layers  # layers with keys and values of their own
    each = [config.per_layer_config[layer] for layer in range(layers)]
    kv = sum(layer.num_key_value_heads * layer.head_dim for layer in each[:unshared])
    wider = layers - unshared if config.use_double_wide_mlp else 0
    # three products of each layer have the width of its own embedding
    feed_forward = config.intermediate_size * (layers + wider) // layers + config.hidden_size_per_layer_input
    return Gemma4Decoder(
        width=config.hidden_size,
        layers=layers,
        heads=config.num_attention_heads,
        kv_heads=each[0].num_key_value_heads,
        head_width=each[0].head_dim,
        feed_forward=feed_forward,
        vocabulary=config.vocab_size,
        mean_query=config.num_attention_heads * sum(layer.head_dim for layer in each) // layers,
        mean_kv=kv // layers,
    )
