"""Sizes of a model, by part: records that a plan is made of. `describing.py` reads them off a config."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


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
    feed_forward: int  # of a token: of several experts, the width of those that it is sent to
    vocabulary: int
    router: int = 0  # weights in a block's product that chooses experts

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
    """The shape of an audio tower: two convolutions, the second of stride 2, blocks, and a projector.

    Its frames are convolved in chunks, and attention spans `span` chunks. Where it is `padded`, every clip
    is filled up to whole chunks.
    """

    width: int
    layers: int
    heads: int
    feed_forward: int
    mels: int
    chunk_frames: int
    projector: int  # weights in its matrix products
    tokens: Callable[[int], int]  # audio tokens in the prompt of a clip of so many frames
    projected: Callable[[int], int] | None = None  # tokens that the projector sees; None: those of the prompt
    padded: bool = False
    span: int = 1

    def chunks(self, frames: int) -> list[int]:
        """Frames of each chunk of a clip."""
        whole, rest = divmod(frames, self.chunk_frames)
        last = self.chunk_frames if self.padded else rest
        return [self.chunk_frames] * whole + ([last] if rest else [])

    def convolved(self, frames: int) -> int:
        """Positions that a chunk of so many frames becomes."""
        return (frames - 1) // 2 + 1

    def convolutions(self, frames: int) -> tuple[int, int]:
        """Multiplications for a chunk of so many frames, in the first convolution and in the others."""
        return frames * self.mels * self.width * 3, self.convolved(frames) * self.width**2 * 3

    def positions(self, frames: int) -> list[int]:
        """Positions in the blocks that attend to each other, for each part of a clip that does."""
        of_chunks = [self.convolved(n) for n in self.chunks(frames)]
        return [sum(of_chunks[i : i + self.span]) for i in range(0, len(of_chunks), self.span)]


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
