"""Floating-point operations of passes through a model: two for each multiplication in a matrix product.

T tokens, N target tokens, L layers, d width, q and k widths of queries and of keys, f of the feed-forward
layer, V vocabulary, K tokens of a sampling support; P prompt tokens, G completions of C tokens:

    layers     2 T L (d q + 2 d k + q d + 3 d f)
    attention  4 L q for each pair of query and key that is computed, visible or not: tokens.py counts them.
               While sampling a mask is dense: P^2 pairs at first, then P + t G for each of G tokens at step t
    head       2 N d V, or 2 N d K where log-probs are taken on a narrow support
    tower      the same for its blocks, whose attention spans chunks, and its two convolutions
    backward   once more for what carries a gradient, once more for weights that train; attention 2.5 times
               in fused kernels, which compute the scores again (arXiv:2205.14135), 2 times in eager
    recompute  with gradient checkpointing the layers once more, without each layer's last product, which
               the backward pass does not need unless an adapter adds to it
Normalisation, activations, embeddings, sampling and the optimizer are left out: they are not matrix products.
"""

from __future__ import annotations

from dataclasses import dataclass

from rlaudio.models.shared.sizes import AudioTower, Decoder, ModelSize


@dataclass(frozen=True, kw_only=True)
class ForwardPass:
    """The size of a forward pass."""

    tokens: int
    pairs: int  # of query and key
    targets: int
    clips: int
    frames: int


@dataclass(frozen=True)
class Decoding:
    """The size of a rollout after its prefill: G completions of C tokens beside each prompt of P."""

    question_count: int
    group_size: int
    prompt: int
    completion: int

    @property
    def steps(self) -> int:
        """Forward passes: the first token is the prefill's."""
        return self.completion - 1

    @property
    def slots(self) -> float:
        """Slots of the cache that a group's row reads, over all steps."""
        return self.steps * self.prompt + self.group_size * self.steps * (self.steps + 1) / 2


@dataclass(frozen=True, kw_only=True)
class Flops:
    """Floating-point operations of a pass, by part of the model."""

    tower: float = 0.0
    layers: float = 0.0
    attention: float = 0.0
    head: float = 0.0

    @property
    def total(self) -> float:
        """All of it."""
        return self.tower + self.layers + self.attention + self.head

    def __add__(self, other: Flops) -> Flops:
        return Flops(**{name: value + getattr(other, name) for name, value in vars(self).items()})

    def __mul__(self, times: float) -> Flops:
        return Flops(**{name: value * times for name, value in vars(self).items()})


def forward(model: ModelSize, given: ForwardPass, head_rows: int) -> Flops:
    """A pass without gradients; `head_rows` of the output projection are computed for every target."""
    d, tokens = model.decoder, given.tokens
    return Flops(
        tower=given.clips * _tower(model, given.frames).total,
        layers=2.0 * tokens * (d.layers * _layer(d) + model.decoder_adapter),
        attention=4.0 * given.pairs * d.layers * d.query_width,
        head=2.0 * given.targets * d.width * head_rows,
    )


def update(
    model: ModelSize,
    given: ForwardPass,
    head_rows: int,
    *,
    checkpointing: bool,
    eager: bool,
    head_twice: bool,
) -> Flops:
    """Forward and backward; `head_twice` where the backward pass computes the logits again."""
    d, tokens = model.decoder, given.tokens
    once = forward(model, given, head_rows)
    weights = 1.0 if model.decoder_trains else 0.0
    layers = 2.0 * tokens * d.layers * _layer(d)
    last = 0.0 if model.decoder_adapter else 2.0 * tokens * d.layers * d.width * d.feed_forward
    again = 1.0 if checkpointing else 0.0
    adapter = 2.0 * tokens * model.decoder_adapter
    return Flops(
        tower=given.clips * _tower_update(model, given.frames, checkpointing, eager),
        layers=layers * (2.0 + weights) + (layers - last) * again + adapter * (3.0 + again),
        attention=once.attention * (1.0 + (2.0 if eager else 2.5) + again),
        head=once.head * (2.0 + weights + head_twice),
    )


def prefill_flops(model: ModelSize, prompts: int, length: int, frames: int) -> Flops:
    """Prompts filling the cache, and the logits of each first new token."""
    tokens, pairs = prompts * length, prompts * length**2
    given = ForwardPass(tokens=tokens, pairs=pairs, targets=prompts, clips=prompts, frames=frames)
    return forward(model, given, model.decoder.vocabulary)


def decode(model: ModelSize, sampled: Decoding) -> Flops:
    """Decoding in parallel: at step t a group's G tokens attend to P + t G slots of its row."""
    d, completions = model.decoder, sampled.question_count * sampled.group_size
    tokens = completions * sampled.steps
    return Flops(
        layers=2.0 * tokens * (d.layers * _layer(d) + model.decoder_adapter),
        attention=4.0 * completions * sampled.slots * d.layers * d.query_width,
        head=2.0 * tokens * d.width * d.vocabulary,
    )


# --- one token, one clip -------------------------------------------------------------------------


def _layer(d: Decoder) -> int:
    """Weights in the matrix products of one block."""
    return 2 * d.width * (d.query_width + d.kv_width) + 3 * d.width * d.feed_forward + d.router


@dataclass(frozen=True, kw_only=True)
class _Clip:
    """Operations of a clip's forward pass through the tower, by how the backward pass treats them."""

    first: float  # its convolution needs no gradient for its input
    second: float
    blocks: float
    last_product: float  # of the blocks
    attention: float
    projector: float
    adapter: float

    @property
    def total(self) -> float:
        return (
            self.first + self.second + self.blocks + self.attention + self.projector + self.adapter
        )  # last_product is in blocks


def _tower(model: ModelSize, frames: int) -> _Clip:
    t: AudioTower = model.tower
    spans, chunks = t.positions(frames), t.chunks(frames)
    positions = sum(spans)
    first, others = t.convolutions(max(chunks))  # which pad all chunks to the widest
    projected = (t.projected or t.tokens)(frames)
    return _Clip(
        first=2.0 * len(chunks) * first,
        second=2.0 * len(chunks) * others,
        blocks=2.0 * positions * t.layers * (4 * t.width**2 + 2 * t.width * t.feed_forward),
        last_product=2.0 * positions * t.layers * t.width * t.feed_forward,
        attention=4.0 * sum(n * n for n in spans) * t.layers * t.width,
        projector=2.0 * projected * t.projector,
        adapter=2.0 * positions * model.tower_adapter,
    )


def _tower_update(model: ModelSize, frames: int, checkpointing: bool, eager: bool) -> float:
    """Forward and backward of a clip; 0 where its embeddings are kept from the rollout."""
    if not model.audio_trains:
        return 0.0
    clip = _tower(model, frames)
    through = model.tower_trains or bool(model.tower_adapter)  # a gradient passes through the blocks
    if not through:
        return clip.total + clip.projector * model.projector_trains
    weights = float(model.tower_trains)
    again = 1.0 if checkpointing else 0.0
    return (
        clip.first * (1.0 + weights)
        + clip.second * (1.0 + 2.0 * weights)
        + clip.blocks * (2.0 + weights)
        + (clip.blocks - clip.last_product) * again
        + clip.attention * (1.0 + (2.0 if eager else 2.5) + again)
        + clip.projector * (2.0 + model.projector_trains)
        + clip.adapter * (3.0 + again)
    )
