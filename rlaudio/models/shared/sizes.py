"""Sizes of a model, by part, from its config alone: no weights are loaded or downloaded.

A family describes its models in a file `sizes.py` beside it, by a function
`describe(options: Mapping[str, Any]) -> ModelSize` that takes the options of the recipe's model section.
"""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FAMILIES = Path(__file__).parents[1]  # a folder for each family


@dataclass(frozen=True)
class ModelPart:
    """A part of a model and how much of it trains."""

    name: str
    parameters: int
    trained: bool
    bytes_each: int


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """The shape of a language model of transformer blocks with gated feed-forward layers."""

    width: int
    layers: int
    heads: int
    kv_heads: int
    head_width: int
    feed_forward: int
    vocabulary: int

    @property
    def query_width(self) -> int:
        """Width of a token's queries over all heads."""
        return self.heads * self.head_width

    @property
    def kv_width(self) -> int:
        """Width of a token's keys, and of its values, over all heads."""
        return self.kv_heads * self.head_width


@dataclass(frozen=True, kw_only=True)
class AudioTower:
    """The shape of an audio tower: two convolutions, the second of stride 2, blocks, pooling, projector."""

    width: int
    layers: int
    heads: int
    feed_forward: int
    mels: int
    chunk_frames: int  # that a block's attention spans
    output: int

    def positions(self, frames: int) -> list[int]:
        """Positions of each chunk of a clip in the blocks."""
        whole, rest = divmod(frames, self.chunk_frames)
        return [(n - 1) // 2 + 1 for n in [self.chunk_frames] * whole + ([rest] if rest else [])]

    def tokens(self, frames: int) -> int:
        """Audio tokens of a clip in the prompt."""
        return ((frames - 1) // 2 + 1 - 2) // 2 + 1


@dataclass(frozen=True, kw_only=True)
class ModelSize:
    """The shape of a model, how much of it trains, and its prompt format."""

    parts: tuple[ModelPart, ...]
    decoder: Decoder
    tower: AudioTower
    decoder_trains: bool  # its own weights
    tower_trains: bool
    projector_trains: bool
    decoder_adapter: int  # parameters of an adapter on the language model
    tower_adapter: int
    source: str  # where the shape is from
    tokenizer: Path | None  # tokenizer.json
    prompt_text: str  # of a prompt without its audio, {system} and {user} to be filled in

    @property
    def parameters(self) -> int:
        """Of all parts."""
        return sum(part.parameters for part in self.parts)

    @property
    def trained(self) -> int:
        """Parameters that train."""
        return sum(part.parameters for part in self.parts if part.trained)

    @property
    def trained_bytes(self) -> int:
        """Bytes of the weights that train."""
        return sum(part.parameters * part.bytes_each for part in self.parts if part.trained)

    @property
    def precision(self) -> int:
        """Bytes of one number of the model itself."""
        return self.parts[0].bytes_each

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights."""
        return sum(part.parameters * part.bytes_each for part in self.parts)

    def parameters_of(self, *names: str) -> int:
        """Parameters of the named parts."""
        return sum(part.parameters for part in self.parts if part.name in names)

    @property
    def audio_trains(self) -> bool:
        """Whether a gradient is needed in tower or projector, so that clips are encoded anew every time."""
        return self.tower_trains or self.projector_trains or bool(self.tower_adapter)


def describe(use: str, options: Mapping[str, Any]) -> ModelSize:
    """The size of the model that a recipe's model section names, by plug-in and options.

    Raises ValueError for a family without sizes, FileNotFoundError where there is no config.
    """
    if not (FAMILIES / use / "sizes.py").is_file():
        known = sorted(file.parent.name for file in FAMILIES.glob("*/sizes.py") if file != Path(__file__))
        raise ValueError(
            f"the model family {use} gives no sizes; a plan can be made for: {', '.join(known)}; "
            f"add rlaudio/models/{Path(use).stem}/sizes.py with a function describe(options)"
        )
    return _described(use, json.dumps(dict(options), sort_keys=True, default=str))


@functools.lru_cache
def _described(use: str, options: str) -> ModelSize:
    return importlib.import_module(f"rlaudio.models.{use}.sizes").describe(json.loads(options))
