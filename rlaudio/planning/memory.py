"""Bytes on one device, by part and phase.

P parameters that train, N devices, b bytes of a number of the model, s tokens of the largest micro-batch,
other letters as in flops.py.

    weights          b each, adapters 4
    gradients        4 P of earlier micro-batches, and b P of one in half precision; ZeRO: from stage 2 on
                     4 P / N, and DeepSpeed's bucket of 5e8 elements, once more in float32 where it is summed
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

LOGIT_BYTES = 20
ENDING = "end of update"
BUCKET = 5e8  # elements; DeepSpeed's reduce_bucket_size
LIVE = 1e9  # elements that stage 3 holds together; DeepSpeed's stage3_max_live_parameters
MB = 2**20


@dataclass(frozen=True, kw_only=True)
class Sharing:
    """Where optimizer state lives: `stage` is None for the plain strategy, else that of ZeRO."""

    stage: int | None = None
    offload: bool = False
    devices: int = 1
    on_gpu: bool = True

    @property
    def shares(self) -> int:
        """Devices that share optimizer state and master weights."""
        return self.devices if self.stage else 1


@dataclass(frozen=True)
class MemoryRow:
    """A part and its bytes in each phase; absent where it takes none."""

    name: str
    phases: Mapping[str, float]


def optimizer_bytes(model: ModelSize, sharing: Sharing) -> float:
    """AdamW's averages and the master weights that one process keeps, wherever it keeps them."""
    if sharing.stage:
        return 12.0 * model.trained / sharing.shares
    half = sum(part.parameters for part in model.parts if part.trained and part.bytes_each < 4)
    return 8.0 * model.trained + 4.0 * half


@dataclass(frozen=True, kw_only=True)
class Gradients:
    """Bytes of gradients in an update."""

    held: float  # of the micro-batches before, and buffers, while one goes forward
    last: float  # at the end of the last backward pass
    step: float  # while the optimizer steps


def gradient_bytes(model: ModelSize, sharing: Sharing, micro_batches: int) -> Gradients:
    """What is held of gradients: in float32, and of one micro-batch in the weights' own precision."""
    whole, own = 4.0 * model.trained, float(model.trained_bytes)
    half = own if own < whole else 0.0
    before = 1.0 if micro_batches > 1 else 0.0
    match sharing.stage:
        case None:
            last = before * whole + half if half else whole
            return Gradients(held=before * whole, last=last, step=whole)
        case 0:
            return Gradients(held=before * own, last=own, step=own + (whole if half else 0.0))
        case 1 if half and not sharing.offload:  # DeepSpeed's BF16_Optimizer makes them once and keeps them
            return Gradients(held=whole, last=whole + own, step=whole)
        case 1:
            held = before * whole + 4 * BUCKET
            return Gradients(held=held, last=whole + 4 * BUCKET, step=whole + whole / sharing.shares)
    part = whole / sharing.shares * (not sharing.offload)
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
    attended = 8 if eager else 9  # fused kernels keep what they gathered
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
class Running:
    """How a stage runs, as far as memory goes."""

    tokens: StepTokens
    head_rows: int  # of the output projection that are computed for a target
    chunk: int  # targets whose logits exist at a time
    checkpointing: bool
    attention: Attention


@dataclass(frozen=True, kw_only=True)
class RolloutShape:
    """How completions are sampled: questions that stand in the cache together."""

    questions: int
    group_size: int
    prompt: int
    completion: int


def persistent_rows(
    model: ModelSize, sharing: Sharing, *, stages: Mapping[str, bool], reserved: float, audio_cache_mb: int
) -> list[MemoryRow]:
    """What lies there the whole time; `stages` are the phases and whether a reference policy is with them."""
    state = 0.0 if sharing.offload else optimizer_bytes(model, sharing)
    kept = 0.0 if model.audio_trains else float(audio_cache_mb * MB)
    made_once = sharing.stage == 1 and not sharing.offload and model.trained_bytes < 4 * model.trained
    rows = {
        "weights": float(model.weight_bytes),
        "sharded copy (stage 3)": model.trained_bytes / sharing.shares if sharing.stage == 3 else 0.0,
        "optimizer: averages, master weights": state,
        "gradients": 4.0 * model.trained if made_once else 0.0,
        "audio embeddings kept, at most": kept,
        "runtime and libraries (assumed)": reserved,
    }
    found = [MemoryRow(name, dict.fromkeys(stages, size)) for name, size in rows.items() if size]
    with_reference = {phase: float(model.trained_bytes) for phase, given in stages.items() if given}
    if with_reference:
        found.insert(1, MemoryRow("reference (a copy of what trains)", with_reference))
    return found


def update_rows(
    model: ModelSize, sharing: Sharing, running: Running, phase: str, ending: str
) -> list[MemoryRow]:
    """What an update adds: forward through the largest micro-batch, and the end of it.

    At its end all gradients are there; the last block goes backward, and then AdamW works.
    """
    t, d, b = running.tokens, model.decoder, model.precision
    rows, tokens, eager = t.rows_together, t.rows_together * t.row, running.attention == "eager"
    branches = t.targets // t.rows
    masked = {"cpu": 0, "gpu": rows * branches * t.row, "eager": tokens**2}[running.attention]
    kept = decoder_bytes(model, tokens, masked, running.attention, checkpointing=running.checkpointing)
    kept += tower_bytes(model, rows, t.frames, checkpointing=running.checkpointing, eager=eager)
    block = 3.0 * b * tokens * d.feed_forward  # gradients in its feed-forward layer, on their way
    if running.checkpointing:
        block += decoder_layer_bytes(model, tokens, masked, running.attention)
    targets = min(running.chunk, rows * branches)
    logits = float(LOGIT_BYTES) * targets * running.head_rows
    if running.head_rows < d.vocabulary:
        logits += 2.0 * b * targets * running.head_rows * d.width  # the head's rows, and their gradient
    gathered = b * min(LIVE, model.parameters) if sharing.stage == 3 else 0.0
    mask = float((b + 1) * masked)  # and the bool one that it is made of
    gradients = gradient_bytes(model, sharing, t.micro_batches)
    ended = max(gradients.last + block + mask, gradients.step)  # fused AdamW works in place
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


def rollout_rows(model: ModelSize, sampling: RolloutShape, phase: str) -> list[MemoryRow]:
    """What sampling adds: cache, the prefill's working memory, logits."""
    d, b = model.decoder, model.precision
    slots = sampling.prompt + sampling.group_size * (sampling.completion - 1)
    tokens = sampling.questions * sampling.prompt
    block = float(b * tokens * (4 * d.width + 3 * d.query_width + 3 * d.feed_forward))
    logits = 12.0 * sampling.questions * sampling.group_size * d.vocabulary
    sizes = {
        "key-value cache": cache_bytes(model, sampling.questions, slots),
        "at work: a block or logits": max(block, logits),
        "attention mask": float((b + 1) * sampling.questions * sampling.prompt**2),
    }
    return [MemoryRow(name, {phase: size}) for name, size in sizes.items()]


def vllm_rows(taken: float, sleeps: bool) -> list[MemoryRow]:
    """What a vLLM beside the model holds; while the policy learns it may sleep."""
    phases = ("rollout",) if sleeps else ("rollout", "RL update", ENDING)
    return [MemoryRow("vLLM: weights, cache", dict.fromkeys(phases, taken))]


def merged(rows: list[MemoryRow]) -> list[MemoryRow]:
    """Rows of the same name as one, in order of appearance; of two values of a phase the larger."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        phases = found.setdefault(row.name, {})
        phases.update({phase: max(size, phases.get(phase, 0.0)) for phase, size in row.phases.items()})
    return [MemoryRow(name, phases) for name, phases in found.items()]


def totals(rows: list[MemoryRow]) -> dict[str, float]:
    """Bytes of each phase."""
    phases = dict.fromkeys(phase for row in rows for phase in row.phases)
    return {phase: math.fsum(row.phases.get(phase, 0.0) for row in rows) for phase in phases}


def host_bytes(model: ModelSize, sharing: Sharing, audio_cache_mb: int, *, asleep: bool) -> float:
    """Host memory of all processes of one node: what is offloaded, features kept, weights of engines asleep.

    Those lie in pinned memory, whose blocks torch rounds up to powers of two: twice their size at most.
    """
    offloaded = optimizer_bytes(model, sharing) + 4.0 * model.trained / sharing.shares
    sleeping = 2.0 * model.weight_bytes * asleep
    return sharing.devices * (offloaded * sharing.offload + audio_cache_mb * MB + sleeping)
