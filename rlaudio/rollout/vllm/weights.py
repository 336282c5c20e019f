"""How weights reach an engine: from GPU to GPU by vLLM's own weight transfer, or through a folder.

The transfer has not been run on a GPU yet: its tests replace NCCL's broadcast and CUDA's memory handles by
stand-ins.
"""

from __future__ import annotations

import shutil
import socket
import urllib.parse
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from operator import itemgetter
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import save_file

from rlaudio.models.family import ModelFamily
from rlaudio.rollout.vllm.http import UNIX, NoAnswer, Service
from rlaudio.rollout.vllm.server_process import free_port


class ServerSender(Protocol):
    """Sends the same weights to several servers; `at_once`: to all at a time."""

    at_once: bool

    def holding(self, weights: Iterable[tuple[str, torch.Tensor]]) -> AbstractContextManager[None]:
        """Within the block these tensors, named as in the checkpoint, are what is sent."""

    def send(self, service: Service) -> None:
        """Have the server load them, which it has done when this returns. Raises NoAnswer."""


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


class NcclSender:
    """From this process's GPU to those of servers, on this machine or another one.

    Each server has a communicator of its own with this process, the only one that sends. A server that dies
    during a broadcast may leave this process waiting in NCCL.
    """

    at_once = False  # two broadcasts at a time on one GPU may wait for each other

    def __init__(self, services: Iterable[Service], patience: float):
        self._patience = patience
        self._weights: Sequence[tuple[str, torch.Tensor]] = ()
        self._senders = {service.url: self._meet(service) for service in services}

    @contextmanager
    def holding(self, weights: Iterable[tuple[str, torch.Tensor]]) -> Iterator[None]:
        """Keep the tensors, which are sent from where they lie, until the block ends."""
        self._weights = list(weights)
        try:
            yield
        finally:
            self._weights = ()

    def send(self, service: Service) -> None:
        """Broadcast them to the server. Raises NoAnswer."""
        with _met():
            self._senders[service.url].send_weights()

    def _meet(self, service: Service) -> Any:
        """vLLM's own sender to one server, after docs.vllm.ai/en/v0.32.0/training/weight_transfer."""
        from vllm.distributed.weight_transfer import HTTPVLLMWeightSyncClient, WeightTransferTrainerFactory
        from vllm.distributed.weight_transfer.base import ParamMeta, WeightSource
        from vllm.distributed.weight_transfer.nccl_engine import NCCLTrainerInitInfo

        patience, sends = self._patience, self

        class Client(HTTPVLLMWeightSyncClient):
            """vLLM's own, whose requests go the way of all others: to a socket too, and with the key."""

            def _post(self, path: str, json: dict[str, Any] | None = None) -> None:
                service.post_long(path, json or {}, patience)

        class Source(WeightSource):
            """What one update sends."""

            def metadata(self) -> list[Any]:
                return [ParamMeta(name, tensor.dtype, tuple(tensor.shape)) for name, tensor in sends._weights]

            def __iter__(self) -> Iterator[tuple[str, torch.Tensor]]:
                return iter(sends._weights)

        host = own_address(service.url)
        meeting = NCCLTrainerInitInfo(
            rank=0,
            master_address=host,
            master_port=free_port(host),
            world_size=1 + int(service.get("get_world_size")["world_size"]),
            packed=True,
        )
        with _met():
            return WeightTransferTrainerFactory.trainer_init(
                meeting, client=Client(service.url), source=Source()
            )


class FolderSender:
    """Through a folder that servers see under the same path: it opens as the family's model does."""

    at_once = True

    def __init__(self, family: ModelFamily, path: Path, patience: float):
        self._path = path.resolve()
        self._new = path / f".{uuid.uuid4().hex}.new"  # a name that nobody else can have taken
        self._patience = patience
        path.mkdir(parents=True, exist_ok=True)
        for file in Path(family.path).iterdir():
            if file.is_file() and not file.name.endswith((".safetensors", ".safetensors.index.json", ".bin")):
                shutil.copy(file, self._new)
                self._new.replace(path / file.name)

    @contextmanager
    def holding(self, weights: Iterable[tuple[str, torch.Tensor]]) -> Iterator[None]:
        """Write what trains, once for all servers; the file stays, since servers have it open."""
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in weights}, self._new)
        self._new.replace(self._path / "model.safetensors")  # a server may still have the last file open
        yield

    def send(self, service: Service) -> None:
        """Have the server read it. Raises NoAnswer."""
        reload = {"method": "reload_weights", "kwargs": {"weights_path": str(self._path)}}
        service.post_long("collective_rpc", reload, self._patience)


def own_address(url: str) -> str:
    """The address of this machine, IPv4, under which whoever listens at `url` can reach it.

    The machine's own name is no help: it often stands for a loopback address.
    """
    if url.startswith(UNIX):
        return "127.0.0.1"
    there = urllib.parse.urlsplit(url)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((there.hostname, there.port or 80))  # sends nothing
        return str(probe.getsockname()[0])


@contextmanager
def _met() -> Iterator[None]:
    """Raise NoAnswer where NCCL fails, or the store where both sides meet."""
    try:
        yield
    except RuntimeError as error:
        raise NoAnswer(f"weights were not sent: {error}") from error
