"""How near an update comes to the time that its matrix products alone would take on the same machine."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from bench_clock import seconds_of
from bench_rows import Figure
from bench_thinker import LARGE, learner, rows_of_noise, thinker
from torch.utils.flop_counter import FlopCounterMode

from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.models.shared.front_ends import pooled_tokens
from rlaudio.models.shared.lora import trains
from rlaudio.training.packing import PackedRow
from rlaudio.utils.onednn_linear import linear

GROUPS, NEW_TOKENS = 4, 24
FORWARD_AND_BACKWARD = 3  # a product of the forward pass has two in the backward pass
Product = tuple[int, int, int]  # M, K, N of [M, K] x [K, N]


def measure_floor(repeats: int) -> Iterator[Figure]:
    """FLOPs of an update of 4 groups over the rate of the same products, and that over the time it took."""
    family = thinker(LARGE)
    rows = rows_of_noise(family, range(GROUPS), NEW_TOKENS)
    one = learner(family)
    one.step(rows, 0)
    with FlopCounterMode(display=False, custom_mapping=ATTENTION) as counter:
        one.step(rows, 1)
    flops = flops_of_update(family, rows)
    rates, seconds = [], []
    for number in range(repeats):
        rates.append(matmul_rate(products(family, rows)))
        start = time.perf_counter()
        one.step(rows, 2 + number)
        seconds.append(time.perf_counter() - start)
    shares = [flops / rate / taken for rate, taken in zip(rates, seconds, strict=True)]
    yield Figure("floor: parameters of the thinker", family.model.num_parameters() / 1e6, "M")
    yield Figure("floor: FLOPs of an update of 4 groups, by formula", flops / 1e9, "GFLOP")
    yield Figure(
        "floor: FLOPs as torch counts them, over the formula", counter.get_total_flops() / flops, "1"
    )
    yield Figure("floor: rate of the same matrix products, median", statistics.median(rates) / 1e9, "GFLOP/s")
    yield Figure("floor: update, median", statistics.median(seconds), "s")
    yield Figure("floor: floor over measured time, median", statistics.median(shares), "ratio", ">= 0.4")


# --- FLOPs by formula ----------------------------------------------------------------------------


def flops_of_update(family: Qwen2_5Omni, rows: Sequence[PackedRow]) -> float:
    """2 M K N for every product, attention at the pairs that attend; nothing else, nothing computed twice."""
    linear = sum(2 * m * k * n * count for (m, k, n), count in products(family, rows).items())
    return linear + _attention(family, rows) + _convolutions(family, rows)


def products(family: Qwen2_5Omni, rows: Sequence[PackedRow]) -> Counter[Product]:
    """Every product of a linear layer, forward and backward, and how often it occurs.

    A frozen weight has no gradient, and a frozen tower's audio is encoded before the update.
    """
    tower, decoder = family.model.audio_tower, family.model.get_decoder()
    places = [
        *((layer, sum(row.length for row in rows)) for layer in _linear(decoder)),
        (family.head, sum(len(b.token_ids) for row in rows for b in row.branches)),
    ]
    if trains(tower):
        heard = sum(pooled_tokens(row.prompt.features["input_features"].shape[1]) for row in rows)
        places += [(layer, sum(map(_frames, rows))) for layer in _linear(tower) if layer is not tower.proj]
        places.append((tower.proj, heard))
    found: Counter[Product] = Counter()
    for layer, tokens in places:
        width, out = layer.in_features, layer.out_features
        found.update([(tokens, width, out), (tokens, out, width)])
        if layer.weight.requires_grad:
            found[out, tokens, width] += 1
    return found


def _linear(module: torch.nn.Module) -> Iterator[Any]:
    return (m for m in module.modules() if isinstance(m, torch.nn.Linear))


def _frames(row: PackedRow) -> int:
    """Frames of a clip behind the tower's convolution of stride 2."""
    return (row.prompt.features["input_features"].shape[1] - 1) // 2 + 1


def _attention(family: Qwen2_5Omni, rows: Sequence[PackedRow]) -> float:
    """Scores and sums of values of all pairs: in the language model of branches, in the tower of windows."""
    text = family.model.get_decoder().config
    width = text.num_attention_heads * (text.hidden_size // text.num_attention_heads)
    pairs = 0
    for row in rows:
        prompt, own = len(row.prompt.token_ids), [len(b.token_ids) for b in row.branches]
        pairs += _triangle(prompt) + prompt * sum(own) + sum(map(_triangle, own))
    audio = family.model.audio_tower.config
    frames = sum(map(_frames, rows)) if trains(family.model.audio_tower) else 0
    heard = frames * audio.n_window  # windows of 2 n_window mel frames
    per_pair = 2 * 2 * FORWARD_AND_BACKWARD
    return per_pair * (pairs * width * text.num_hidden_layers + heard * audio.d_model * audio.encoder_layers)


def _triangle(tokens: int) -> int:
    return tokens * (tokens + 1) // 2


def _convolutions(family: Qwen2_5Omni, rows: Sequence[PackedRow]) -> float:
    """The tower's two convolutions; nobody asks for the gradient of the first one's input."""
    if not trains(family.model.audio_tower):
        return 0.0
    audio = family.model.audio_tower.config
    first = (
        sum(row.prompt.features["input_features"].shape[1] for row in rows)
        * audio.num_mel_bins
        * audio.d_model
    )
    second = sum(map(_frames, rows)) * audio.d_model * audio.d_model
    return 2 * 3 * (2 * first + FORWARD_AND_BACKWARD * second)  # kernels are 3 wide


# --- what torch counts, and how fast products are ------------------------------------------------


def _attention_flops(
    query: Any, key: Any, value: Any, dropout: float = 0.0, causal: bool = False, **_: Any
) -> int:
    """Of a forward call, by the shapes of its tensors; the causal half where only that is wanted."""
    batch, heads, queries, width = query
    return 4 * batch * heads * queries * key[2] * width // (2 if causal else 1)


def _attention_backward_flops(
    gradient: Any, query: Any, key: Any, value: Any, out: Any, sums: Any, dropout: Any, causal: bool, **_: Any
) -> int:
    """Of a backward call, without the scores that the kernel computes a second time."""
    return 2 * _attention_flops(query, key, value, causal=causal)


ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward_flops,
}


def matmul_rate(
    shapes: Counter[Product], repeats: int = 3, *, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> float:
    """FLOP/s of the given products as often as they occur, each at its fastest of a few."""
    flops = seconds = 0.0
    for (m, k, n), count in shapes.items():
        left, weight = (torch.randn(size, device=device, dtype=dtype) for size in ((m, k), (n, k)))
        times = seconds_of(partial(linear, left, weight), device, repeats)
        flops += 2 * m * k * n * count
        seconds += min(times) * count
    return flops / seconds
