"""Time of a step's phases, bounded by the slowest of compute, memory and links.

Matrix products run at a share of the device's peak, reading and writing at its memory's bandwidth,
exchange between devices at the link's, one after another. What Python, kernel launches, audio decoding,
rewards, saving and evaluation take is left out; sampling by short steps, one kernel after another, can take a
multiple of what the bandwidth allows.
"""

from __future__ import annotations

from dataclasses import dataclass

from rlaudio.models.shared.sizes import ModelSize
from rlaudio.planning.flops import Decoding, Flops, decode
from rlaudio.planning.hardware import Hardware
from rlaudio.planning.memory import Sharding, cache_bytes


@dataclass(frozen=True)
class Phase:
    """A part of a step: its operations, its time, and what bounds it."""

    name: str
    flops: float
    seconds: float
    bound: str


def compute_phase(name: str, work: Flops, rate: float) -> Phase:
    """A phase of large matrix products, at `rate` operations a second."""
    return Phase(name, work.total, work.total / rate, "compute")


def decode_phase(
    name: str, model: ModelSize, sampled: Decoding, device: Hardware, *, rate: float, batches: int
) -> Phase:
    """Sampling in so many batches: every step reads the language model's weights and the cache so far."""
    work = decode(model, sampled).total
    read = model.parameters_of("language model", "output head") * model.precision * batches * sampled.steps
    moved = read + cache_bytes(model, sampled.question_count, 1) * sampled.slots
    compute, memory = work / rate, moved / device.bandwidth
    bound = "compute" if compute > memory else "memory bandwidth"
    return Phase(name, work, max(compute, memory), bound)


def optimizer_phase(model: ModelSize, sharding: Sharding, device: Hardware, updates: int) -> Phase:
    """AdamW: gradient, master weight and averages are read, all but the first written; then the weight."""
    if sharding.offload:
        moved = (4.0 * model.trained + model.trained_bytes) / sharding.shares
        return Phase(
            "optimizer (the host's work left out)", 0.0, updates * moved / device.host_link, "host link"
        )
    moved = (16.0 + 12.0) * model.trained / sharding.shares + model.trained_bytes
    return Phase("optimizer", 0.0, updates * moved / device.bandwidth, "memory bandwidth")


def exchange_phase(
    model: ModelSize, sharding: Sharding, device: Hardware, updates: int, micro_batches: int
) -> Phase | None:
    """Gradients and parameters between devices, of `updates` updates with so many micro-batches in all.

    Volumes of arXiv:1910.02054, section 7: all-reduce twice a parameter's bytes, reduce-scatter and
    all-gather once; stages 2 and 3 reduce every micro-batch, stage 3 gathers all parameters forward and
    backward. A ring over several nodes is as slow as its slowest link, the network of a device.
    """
    if sharding.devices == 1:
        return None
    share = (sharding.devices - 1) / sharding.devices
    trained, whole = float(model.trained_bytes), float(model.weight_bytes)
    match sharding.stage:
        case None:
            moved = updates * 2 * 4.0 * model.trained
        case 0:
            moved = updates * 2 * trained
        case 1:
            moved = updates * (4.0 * model.trained + trained)
        case 2:
            moved = micro_batches * trained + updates * trained
        case _:
            moved = (
                micro_batches * (2 * whole + trained) + updates * trained
            )  # the last: to the rollout model
    slowest = min(device.interconnect, device.network) if sharding.nodes > 1 else device.interconnect
    bound = "network" if slowest < device.interconnect else "link"
    return Phase("exchange between devices", 0.0, share * moved / slowest, bound)
