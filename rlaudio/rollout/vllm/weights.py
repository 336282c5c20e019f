"""Weights from GPU to GPU, by vLLM's own weight transfer.

It has not been run on a GPU yet: its tests replace NCCL's broadcast and CUDA's memory handles by stand-ins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from operator import itemgetter
from typing import Any, Protocol

import torch

from rlaudio.rollout.vllm.http import NoAnswer, Service


class SendWeights(Protocol):
    """Sends tensors named as in the checkpoint to an engine."""

    def __call__(self, weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Send them; the engine has loaded them when this returns."""


def ipc_sender(llm: Any) -> SendWeights:
    """To an engine in another process on the same GPU, through a buffer that both see.

    vLLM's own sender first puts the handles of all processes of a run together, for one engine on all their
    GPUs. Here each process has its own engine and sends to it alone.
    """
    from vllm.distributed.weight_transfer.packed_tensor import (
        DEFAULT_PACKED_BUFFER_SIZE_BYTES as LARGEST_BUFFER,
    )
    from vllm.distributed.weight_transfer.packed_tensor import packed_ipc_producer

    llm.init_weight_transfer_engine({"init_info": {"packed": True}})
    gpu = str(torch.cuda.get_device_properties(torch.cuda.current_device()).uuid)

    def send(weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        named = list(weights)
        sizes = [tensor.nbytes for _, tensor in named]
        # The embedding of 7B does not fit into vLLM's buffer, and no tensor is split.
        buffer = max([min(sum(sizes), LARGEST_BUFFER), *sizes])
        llm.start_weight_update()
        for part in packed_ipc_producer(iter(named), gpu, itemgetter(1), buffer):
            update = asdict(part)
            update["ipc_handles"] = update.pop("ipc_handle")
            llm.update_weights({"update_info": update})
        llm.finish_weight_update()
        torch.cuda.ipc_collect()

    return send


def nccl_sender(
    service: Service, patience: float, engine_gpus: int, meeting_place: tuple[str, int]
) -> SendWeights:
    """To a server whose `engine_gpus` GPUs meet this process at host and port. It and this raise NoAnswer.

    A server that dies during a broadcast may leave this process waiting in NCCL. After
    docs.vllm.ai/en/v0.32.0/training/weight_transfer; this process is the only sender.
    """
    from vllm.distributed.weight_transfer import HTTPVLLMWeightSyncClient, WeightTransferTrainerFactory
    from vllm.distributed.weight_transfer.base import ParamMeta, WeightSource
    from vllm.distributed.weight_transfer.nccl_engine import NCCLTrainerInitInfo

    class Client(HTTPVLLMWeightSyncClient):
        """vLLM's own, whose requests go the way of all others: to a socket too, and with the key."""

        def _post(self, path: str, json: dict[str, Any] | None = None) -> None:
            service.post_long(path, json or {}, patience)

    class Source(WeightSource):
        """What one update sends."""

        weights: Sequence[tuple[str, torch.Tensor]] = ()

        def metadata(self) -> list[Any]:
            return [ParamMeta(name, tensor.dtype, tuple(tensor.shape)) for name, tensor in self.weights]

        def __iter__(self) -> Iterator[tuple[str, torch.Tensor]]:
            return iter(self.weights)

    source = Source()
    host, port = meeting_place
    meeting = NCCLTrainerInitInfo(
        rank=0, master_address=host, master_port=port, world_size=1 + engine_gpus, packed=True
    )
    with _met():
        sender = WeightTransferTrainerFactory.trainer_init(meeting, client=Client(service.url), source=source)

    def send(weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        source.weights = list(weights)
        try:
            with _met():
                sender.send_weights()
        finally:
            source.weights = ()

    return send


@contextmanager
def _met() -> Iterator[None]:
    """Raise NoAnswer where NCCL fails, or the store where both sides meet."""
    try:
        yield
    except RuntimeError as error:
        raise NoAnswer(f"weights were not sent: {error}") from error
