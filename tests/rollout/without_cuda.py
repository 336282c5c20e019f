"""vLLM's weight transfer between processes without a GPU: all of it but NCCL's and CUDA's own calls.

A broadcast goes over the store that the two sides meet at, and memory that two processes see is a file. vLLM
loads this as a plug-in in each of its processes; the sending one calls `stand_in`.
"""

import tempfile
from pathlib import Path
from types import SimpleNamespace

import torch

PLUGIN = "[vllm.general_plugins]\nwithout_cuda = tests.rollout.without_cuda:stand_in\n"
HOST = SimpleNamespace(uuid="this machine", synchronize=lambda: None)


class Store:
    """What a communicator of NCCL does, by way of the store."""

    def __init__(self, host, port, rank, world_size, device):
        from vllm.distributed.utils import StatelessProcessGroup

        self.group = StatelessProcessGroup.create(host=host, port=port, rank=rank, world_size=world_size)

    def broadcast(self, tensor, src, stream=None):
        local = tensor.numpy() if self.group.rank == src else None
        tensor.copy_(torch.from_numpy(self.group.broadcast_obj(local, src)))


class OnHost:
    """The module torch, but for what needs a GPU; memory of a GPU lies in files."""

    accelerator = SimpleNamespace(current_device_index=lambda: 0, synchronize=lambda: None)
    cuda = SimpleNamespace(
        current_device=lambda: 0,
        current_stream=lambda: HOST,
        get_device_properties=lambda device: HOST,
        ipc_collect=lambda: None,
        stream=torch.cuda.stream,
    )

    def __getattr__(self, name):
        return getattr(torch, name)

    def empty(self, size, *, dtype, device):
        if device != "cuda":
            return torch.empty(size, dtype=dtype, device=device)
        with tempfile.NamedTemporaryFile(delete=False) as file:
            memory = torch.from_file(file.name, shared=True, size=size, dtype=dtype)
        memory.lies_in = file.name
        return memory


def handle(memory):
    """What another process finds the memory by, in as many parts as CUDA's handles have."""
    return None, (memory.lies_in, len(memory), 2, 3, 4, 5, 6)


def rebuild(path, size, *rest):
    memory = torch.from_file(path, shared=True, size=size, dtype=torch.uint8)
    Path(path).unlink()  # it lasts as long as someone has it open
    return memory


def stand_in(put=setattr):
    """Have vLLM's weight transfer use these."""
    from torch.multiprocessing import reductions
    from vllm.distributed.weight_transfer import base, nccl_common, packed_tensor

    for module in (base, nccl_common, packed_tensor):
        put(module, "torch", OnHost())
    put(nccl_common, "stateless_init_process_group", Store)
    put(packed_tensor, "_get_streams", lambda device, count: (HOST,) * count)
    put(packed_tensor, "reduce_tensor", handle)
    put(reductions, "rebuild_cuda_tensor", rebuild)
