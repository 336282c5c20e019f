"""Bytes on one device, by part and phase.

P parameters that train, N devices, b bytes of a number of the model, s tokens of the largest micro-batch,
other letters as in flops.py.

    weights          b each, adapters 4
    gradients        4 P of earlier micro-batches, and b P of one in half precision, or of each where a CPU
                     computes two side by side; ZeRO: from stage 2 on 4 P / N, and DeepSpeed's bucket of
                     5e8 elements, once more in float32 where it is summed
    optimizer        AdamW's averages 8 P, float32 master weights of half-precision ones 4 P; ZeRO: 12 P / N
                     from stage 1 on (arXiv:1910.02054, section 3.1)
    activations      what autograd keeps of a block of the language model, counted from its modules:
                     s (6 d + a + 4 f) in float32, and in half precision 16 s d + b s (a + 4 f) bytes, for its
                     RMSNorm computes in float32; a is 2 q + 2 k on a CPU, 5 q and the mask on a GPU, where
                     keys are repeated for kernels that take one, and 4 q and the scores in eager attention.
                     Of a block of the audio tower s (9 d + 2 f). With checkpointing each block's input,
                     and one whole block at work.
    logits           20 bytes for each entry of [targets of a chunk, V]: logits, log-probs, their softmax, the
                     entropy's products, all float32
    cache            keys and values, 2 b L k for each slot of the rows that are sampled together
What the allocator loses in fragments is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from rlaudio.models.shared.sizes import ModelSize
from rlaudio.planning.tokens import Attention, StepTokens
from rlaudio.training.packing import parts_of

LOGIT_BYTES = 20
ENDING = "end of update"
BUCKET = 5e8  # elements; DeepSpeed's reduce_bucket_size
LIVE = 1e9  # elements that stage 3 holds together; DeepSpeed's stage3_max_live_parameters
MB = 2**20


@dataclass(frozen=True, kw_only=True)
class Sharding:
    """Where optimizer state is kept: `stage` is None for the plain strategy, else that of ZeRO."""

    stage: int | None = None
    offload: bool = False
    devices: int = 1  # of all nodes
    nodes: int = 1
    on_gpu: bool = True
    lanes: int = 1  # micro-batches that a CPU computes side by side

    @property
    def shares(self) -> int:
        """Devices that share optimizer state and master weights."""
        return self.devices if self.stage else 1


@dataclass(frozen=True)
class MemoryRow:
    """A part and its bytes in each phase; absent where it takes none."""

    name: str
    phases: Mapping[str, float]


def optimizer_bytes(model: ModelSize, sharding: Sharding) -> float:
    """AdamW's averages and the master weights that one process keeps, wherever it keeps them."""
    if sharding.stage:
        return 12.0 * model.trained / sharding.shares
    half = sum(part.parameters for part in model.parts if part.trained and part.bytes_each < 4)
    return 8.0 * model.trained + 4.0 * half


@dataclass(frozen=True, kw_only=True)
class Gradients:
    """Bytes of gradients in an update."""

    held: float  # of the micro-batches before, and buffers, while one goes forward
    last: float  # at the end of the last backward pass
    step: float  # while the optimizer steps


def gradient_bytes(model: ModelSize, sharding: Sharding, micro_batches: int, at_once: int = 1) -> Gradients:
    """Bytes of gradients: sums in float32, and those of micro-batches in the weights' precision."""
    whole, batch = 4.0 * model.trained, float(model.trained_bytes)
    if at_once > 1:  # each has gradients of its own until they are added up
        return Gradients(held=whole, last=whole + at_once * batch, step=whole)
    half = batch if batch < whole else 0.0
    before = 1.0 if micro_batches > 1 else 0.0
    match sharding.stage:
        case None:
            last = before * whole + half if half else whole
            return Gradients(held=before * whole, last=last, step=whole)
        case 0:
            return Gradients(held=before * batch, last=batch, step=batch + (whole if half else 0.0))
        case 1 if half and not sharding.offload:  # DeepSpeed's BF16_Optimizer allocates them once
            return Gradients(held=whole, last=whole + batch, step=whole)
        case 1:
            held = before * whole + 4 * BUCKET
            return Gradients(held=held, last=whole + 4 * BUCKET, step=whole + whole / sharding.shares)
    part = whole / sharding.shares * (not sharding.offload)
    bucket = (model.precision + (4 if half else 0)) * BUCKET
    return Gradients(held=before * part + bucket, last=part + bucket, step=2 * part)


def decoder_layer_bytes(model: ModelSize, tokens: int, masked: int, attention: Attention) -> float:
    """What autograd keeps of one block of the language model; `masked` pairs are under a mask."""
    d, b = model.decoder, model.precision
    norms = (6 * b if b == 4 else 16) * tokens * d.width
    widths = {"cpu": 2 * d.query_width + 2 * d.kv_width, "gpu": 5 * d.query_width, "eager": 4 * d.query_width}
    scores = masked * d.heads * _score_bytes(b) if attention == "eager" else 4 * tokens * d.heads
    mask = b * masked if attention == "gpu" else 0  # in numbers that are added, anew in every block
    return norms + b * tokens * widths[attention] + scores + mask + 4 * b * tokens * d.feed_forward


def decoder_bytes(
    model: ModelSize, tokens: int, masked: int, attention: Attention, *, checkpointing: bool
) -> float:
    """What autograd keeps of the language model at the end of the forward pass, its last norm included."""
    d, b = model.decoder, model.precision
    last_norm = (2 * b if b == 4 else 4 + b) * tokens * d.width
    if checkpointing:
        return d.layers * b * tokens * d.width + last_norm
    return d.layers * decoder_layer_bytes(model, tokens, masked, attention) + last_norm


def _score_bytes(precision: int) -> int:
    """Bytes that eager attention keeps of a pair: the softmax in float32, and in half precision too."""
    return 4 if precision == 4 else 4 + precision


def tower_layer_bytes(model: ModelSize, clips: int, frames: int, *, eager: bool) -> float:
    """What autograd keeps of one block of the audio tower."""
    t, b = model.tower, model.precision
    chunks = t.positions(frames)
    scores = sum(n * n for n in chunks) * t.heads * _score_bytes(b) if eager else 0
    attended = 8 if eager else 9  # fused kernels keep their output
    return clips * (b * sum(chunks) * (attended * t.width + 2 * t.feed_forward) + scores)


def tower_bytes(model: ModelSize, clips: int, frames: int, *, checkpointing: bool, eager: bool) -> float:
    """What autograd keeps of the audio tower at the end of its forward pass; 0 where nothing trains in it."""
    t, b = model.tower, model.precision
    if not (model.tower_trains or model.tower_adapter):
        return 0.0
    positions = sum(t.positions(frames))
    outside = frames * (t.mels + 2 * t.width) + positions * t.width + 2 * t.tokens(frames) * t.width
    if checkpointing:
        return clips * b * (outside + t.layers * positions * t.width)
    return clips * b * outside + t.layers * tower_layer_bytes(model, clips, frames, eager=eager)


def cache_bytes(model: ModelSize, rows: int, slots: int) -> float:
    """Keys and values of `slots` tokens in each row."""
    d = model.decoder
    return 2.0 * model.precision * d.layers * d.kv_width * rows * slots


@dataclass(frozen=True, kw_only=True)
class UpdateShape:
    """The parts of a stage's settings that its memory depends on."""

    tokens: StepTokens
    head_rows: int  # of the output projection that are computed for a target
    chunk: int  # targets whose logits exist at a time
    checkpointing: bool
    attention: Attention


@dataclass(frozen=True, kw_only=True)
class RolloutShape:
    """Questions whose completions are sampled together, and their tokens."""

    question_count: int
    group_size: int
    prompt: int
    completion: int


def persistent_rows(
    model: ModelSize, sharding: Sharding, *, stages: Mapping[str, bool], reserved: float, audio_cache_mb: int
) -> list[MemoryRow]:
    """What is kept through all phases; `stages` maps each phase to whether it has a reference policy."""
    state = 0.0 if sharding.offload else optimizer_bytes(model, sharding)
    kept = 0.0 if model.audio_trains else float(audio_cache_mb * MB)
    made_once = sharding.stage == 1 and not sharding.offload and model.trained_bytes < 4 * model.trained
    rows = {
        "weights": float(model.weight_bytes),
        "sharded copy (stage 3)": model.trained_bytes / sharding.shares if sharding.stage == 3 else 0.0,
        "optimizer: averages, master weights": state,
        "gradients": 4.0 * model.trained if made_once else 0.0,
        "audio embeddings kept, at most": kept,
        "runtime and libraries (assumed)": reserved,
    }
    present = [MemoryRow(name, dict.fromkeys(stages, size)) for name, size in rows.items() if size]
    with_reference = {phase: float(model.trained_bytes) for phase, given in stages.items() if given}
    if with_reference:
        present.insert(1, MemoryRow("reference (a copy of what trains)", with_reference))
    return present


def update_rows(
    model: ModelSize, sharding: Sharding, update: UpdateShape, phase: str, ending: str
) -> list[MemoryRow]:
    """What an update adds: in the forward pass of the largest micro-batch, and at its end.

    At the end all gradients exist; the last block's backward pass runs, then AdamW.
    """
    t, d, b = update.tokens, model.decoder, model.precision
    at_once, rows = _side_by_side(t, sharding.lanes)
    tokens, eager = rows * t.row, update.attention == "eager"
    branches = t.targets // t.rows
    masked = {"cpu": 0, "gpu": rows * branches * t.row, "eager": tokens**2}[update.attention]
    kept = decoder_bytes(model, tokens, masked, update.attention, checkpointing=update.checkpointing)
    kept += tower_bytes(model, rows, t.frames, checkpointing=update.checkpointing, eager=eager)
    block = 3.0 * b * tokens * d.feed_forward  # gradients within its feed-forward layer
    if update.checkpointing:
        block += decoder_layer_bytes(model, tokens, masked, update.attention)
    targets = min(update.chunk, rows * branches)
    logits = float(LOGIT_BYTES) * targets * update.head_rows
    if update.head_rows < d.vocabulary:
        logits += 2.0 * b * targets * update.head_rows * d.width  # the head's rows, and their gradient
    gathered = b * min(LIVE, model.parameters) if sharding.stage == 3 else 0.0
    mask = float((b + 1) * masked)  # with the bool mask that it is made from
    gradients = gradient_bytes(model, sharding, t.micro_batches, at_once)
    ended = max(gradients.last + block + mask, gradients.step)  # fused AdamW updates in place
    sizes = {
        "gradients": (gradients.held, gradients.step),
        "activations kept for backward": (kept, 0.0),
        "at work: a block or logits": (max(block, logits), ended - gradients.step),
        "attention mask": (mask, 0.0),
        "parameters gathered (stage 3)": (gathered, 0.0),
    }
    return [
        MemoryRow(name, {phase: during, ending: after})
        for name, (during, after) in sizes.items()
        if during or after
    ]


def _side_by_side(tokens: StepTokens, lanes: int) -> tuple[int, int]:
    """Micro-batches that are computed at a time, and the rows of all of them."""
    rows = tokens.rows_together
    if rows > 1 and parts_of(rows * tokens.row, lanes) > 1:
        return lanes, rows  # parts of what would be one
    at_once = min(lanes, tokens.micro_batches)
    return at_once, at_once * rows


def rollout_rows(model: ModelSize, sampling: RolloutShape, phase: str) -> list[MemoryRow]:
    """What sampling adds: cache, the prefill's working memory, logits."""
    d, b = model.decoder, model.precision
    slots = sampling.prompt + sampling.group_size * (sampling.completion - 1)
    tokens = sampling.question_count * sampling.prompt
    block = float(b * tokens * (4 * d.width + 3 * d.query_width + 3 * d.feed_forward))
    logits = 12.0 * sampling.question_count * sampling.group_size * d.vocabulary
    sizes = {
        "key-value cache": cache_bytes(model, sampling.question_count, slots),
        "at work: a block or logits": max(block, logits),
        "attention mask": float((b + 1) * sampling.question_count * sampling.prompt**2),
    }
    return [MemoryRow(name, {phase: size}) for name, size in sizes.items()]


def vllm_rows(taken: float, sleeps: bool) -> list[MemoryRow]:
    """What vLLM takes beside the model; it may sleep while the policy trains."""
    phases = ("rollout",) if sleeps else ("rollout", "RL update", ENDING)
    return [MemoryRow("vLLM: weights, cache", dict.fromkeys(phases, taken))]


def merged(rows: list[MemoryRow]) -> list[MemoryRow]:
    """Rows of the same name as one, in order of appearance; of two values of a phase the larger."""
    by_name: dict[str, dict[str, float]] = {}
    for row in rows:
        phases = by_name.setdefault(row.name, {})
        phases.update({phase: max(size, phases.get(phase, 0.0)) for phase, size in row.phases.items()})
    return [MemoryRow(name, phases) for name, phases in by_name.items()]


def totals(rows: list[MemoryRow]) -> dict[str, float]:
    """Bytes of each phase."""
    phases = dict.fromkeys(phase for row in rows for phase in row.phases)
    return {phase: math.fsum(row.phases.get(phase, 0.0) for row in rows) for phase in phases}


def host_bytes(model: ModelSize, sharding: Sharding, audio_cache_mb: int, *, asleep: bool) -> float:
    """Host memory of all processes of one node: what is offloaded, features kept, weights of engines asleep.

    The latter are in pinned memory, whose blocks torch rounds up to powers of two: at most twice their size.
    """
    offloaded = optimizer_bytes(model, sharding) + 4.0 * model.trained / sharding.shares
    sleeping = 2.0 * model.weight_bytes * asleep
    return sharding.devices / sharding.nodes * (offloaded * sharding.offload + audio_cache_mb * MB + sleeping)
