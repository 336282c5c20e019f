"""Weights from GPU to GPU, by vLLM's own weight transfer. It has not been run on a GPU yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch

from rlaudio.rollout.http import NoAnswer


class SendWeights(Protocol):
    """Sends tensors named as in the checkpoint from GPU to GPU, by vLLM's own weight transfer."""

    def __call__(self, weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Send them; the engine has taken them over when this returns."""


def ipc_sender(llm: Any) -> SendWeights:
    """To an engine in another process on the same GPU."""
    from vllm.distributed.weight_transfer.ipc_engine import IPCTrainerInitInfo

    class Client:
        """The engine's side of the protocol."""

        def init_weight_transfer_engine(self, init_info: dict[str, Any]) -> None:
            llm.init_weight_transfer_engine({"init_info": init_info})

        def start_weight_update(self) -> None:
            llm.start_weight_update()

        def update_weights(self, update_info: dict[str, Any]) -> None:
            llm.update_weights({"update_info": update_info})

        def finish_weight_update(self, weight_version: str | None = None) -> None:
            llm.finish_weight_update(weight_version)

    return _sender(IPCTrainerInitInfo(rank=0, packed=True), Client())


def nccl_sender(url: str, engine_gpus: int, host: str, port: int) -> SendWeights:
    """To a server whose `engine_gpus` GPUs meet this process at host:port. It and this raise NoAnswer."""
    from vllm.distributed.weight_transfer import HTTPVLLMWeightSyncClient
    from vllm.distributed.weight_transfer.nccl_engine import NCCLTrainerInitInfo

    meeting = NCCLTrainerInitInfo(
        rank=0, master_address=host, master_port=port, world_size=1 + engine_gpus, packed=True
    )
    with _answered():
        send = _sender(meeting, HTTPVLLMWeightSyncClient(url))

    def send_or_tell(weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        with _answered():
            send(weights)

    return send_or_tell


@contextmanager
def _answered() -> Iterator[None]:
    """Raise NoAnswer where vLLM's own client gets none, or hears that the server failed."""
    from requests import RequestException

    try:
        yield
    except RequestException as error:
        if error.response is not None and error.response.status_code < 500:
            raise
        raise NoAnswer(str(error)) from error


def _sender(init_info: Any, client: Any) -> SendWeights:
    """After docs.vllm.ai/en/v0.32.0/training/weight_transfer.

    Each process of a run that has an engine sends to that one alone, so each is rank 0 to it.
    """
    from vllm.distributed.weight_transfer import WeightTransferTrainerFactory
    from vllm.distributed.weight_transfer.base import ParamMeta, WeightSource

    class Source(WeightSource):
        """What one update sends."""

        weights: Sequence[tuple[str, torch.Tensor]] = ()

        def metadata(self) -> list[Any]:
            return [ParamMeta(name, tensor.dtype, tuple(tensor.shape)) for name, tensor in self.weights]

        def __iter__(self) -> Iterator[tuple[str, torch.Tensor]]:
            return iter(self.weights)

    source = Source()
    engine = WeightTransferTrainerFactory.trainer_init(init_info, client=client, source=source)

    def send(weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        source.weights = list(weights)
        engine.send_weights()
        source.weights = ()

    return send
