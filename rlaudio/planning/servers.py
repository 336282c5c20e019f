"""vLLM servers on nodes of their own: how many there are, what they hold, and the time that they sample."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rlaudio.config.plugins import Bound
from rlaudio.models.shared.sizes import ModelSize
from rlaudio.planning import flops
from rlaudio.planning.hardware import Hardware
from rlaudio.planning.memory import cache_bytes
from rlaudio.planning.seconds import Phase, compute_phase, decode_phase
from rlaudio.planning.tokens import StepTokens


@dataclass(frozen=True, kw_only=True)
class RolloutServers:
    """The servers of a run and the memory of each of their devices."""

    nodes: int
    count: int
    tensor_parallel: int  # devices of a server
    weight_bytes: float  # on a device
    taken_bytes: float  # what vLLM takes of a device: weights and cache
    device_bytes: float

    @property
    def cache_bytes(self) -> float:
        """What is left for keys and values on a device."""
        return self.taken_bytes - self.weight_bytes

    @property
    def fits(self) -> bool:
        """Whether the weights leave room for a cache."""
        return self.cache_bytes > 0 and self.taken_bytes <= self.device_bytes

    def questions_together(self, model: ModelSize, tokens: StepTokens) -> int:
        """Questions whose completions the cache of a server holds at a time, at least one."""
        slots = tokens.prompt + tokens.group_size * tokens.completion
        each = cache_bytes(model, 1, slots) / self.tensor_parallel
        return max(1, int(max(0.0, self.cache_bytes) // each))


def servers_of(
    rollout: Bound, model: ModelSize, device: Hardware, nodes: int, devices: int
) -> RolloutServers | None:
    """The servers on nodes of so many devices; None on no nodes. Raises ValueError where they can be none."""
    if not nodes:
        return None
    check_asks_servers(rollout, nodes)
    tensor_parallel = rollout.options["tensor_parallel"]
    return RolloutServers(
        nodes=nodes,
        count=nodes * servers_of_node(tensor_parallel, devices),
        tensor_parallel=tensor_parallel,
        weight_bytes=model.weight_bytes / tensor_parallel,
        taken_bytes=rollout.options["memory_share"] * device.memory_bytes,
        device_bytes=device.memory_bytes,
    )


def check_asks_servers(rollout: Bound, nodes: int) -> None:
    """Raise ValueError where the worker asks no vLLM server, and so many nodes are for servers."""
    if rollout.use != "vllm_server":
        raise ValueError(
            f"--rollout-nodes {nodes} are for vLLM servers, and rollout.use is {rollout.use}; set it to "
            "vllm_server, or leave --rollout-nodes out"
        )


def servers_of_node(tensor_parallel: int, devices: int) -> int:
    """How many servers so many devices are for. Raises ValueError where some would be left over."""
    if devices % tensor_parallel:
        raise ValueError(
            f"rollout.tensor_parallel is {tensor_parallel}, and a node has {devices} devices; expected a "
            "number that divides them"
        )
    return devices // tensor_parallel


def sampling_phases(
    model: ModelSize, device: Hardware, servers: RolloutServers, tokens: StepTokens, *, rate: float
) -> Iterator[Phase]:
    """A step's sampling on the servers' devices; `tokens` are of all training processes together.

    A server is as fast as its devices together: what tensor parallelism exchanges is left out.
    """
    count = math.ceil(tokens.question_count / servers.count)
    whole = replace(device, bandwidth=device.bandwidth * servers.tensor_parallel)
    rate *= servers.tensor_parallel
    prefill = flops.prefill_flops(model, count, tokens.prompt, tokens.frames)
    phases = [compute_phase("servers: prefill", prefill, rate)]
    if tokens.completion > 1:
        sampled = flops.Decoding(count, tokens.group_size, tokens.prompt, tokens.completion)
        batches = math.ceil(count / servers.questions_together(model, tokens))
        phases.append(decode_phase("servers: decode", model, sampled, whole, rate=rate, batches=batches))
    for phase in phases:
        yield replace(phase, flops=phase.flops / servers.tensor_parallel)


def weights_phase(model: ModelSize, device: Hardware) -> Phase:
    """The trained weights on their way to the servers, through the network of one device.

    Of an adapter the layers that it is merged into, as if it lay on the whole language model.
    """
    sent = sum(part.parameters * part.bytes_each for part in model.parts if part.trained and part.bytes_each)
    if model.decoder_adapter or model.tower_adapter:
        sent = model.parameters_of("language model") * model.precision
    return Phase("weights to servers", 0.0, sent / device.network, "network")
