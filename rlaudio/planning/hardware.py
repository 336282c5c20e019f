"""Peak rates and memory of devices, from data sheets; a CPU is measured."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rlaudio.utils.threads import thread_limit


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """A device and its peak rates."""

    name: str
    memory_bytes: float
    flops: Mapping[str, float]  # a second, dense matrix products by dtype, accumulated in float32
    bandwidth: float  # of its memory, bytes a second
    interconnect: float  # to other devices of the node, bytes a second in each direction
    network: float  # to devices of other nodes, bytes a second in each direction
    host_link: float  # to the host's memory, bytes a second in each direction
    reserved_bytes: float = 1e9  # of the runtime and its libraries; an assumption
    measured: bool = False


def _gpu(name: str, gigabytes: float, tflops: tuple[float, float], *gigabytes_a_second: float) -> Hardware:
    """A GPU from GB, TFLOPS and GB/s. float32 is that of CUDA cores: torch uses no TF32 unless asked."""
    half, single = tflops
    memory, link, host, network = gigabytes_a_second
    rates = {"bfloat16": half * 1e12, "float16": half * 1e12, "float32": single * 1e12}
    return Hardware(
        name=name,
        memory_bytes=gigabytes * 1e9,
        flops=rates,
        bandwidth=memory * 1e9,
        interconnect=link * 1e9,
        host_link=host * 1e9,
        network=network * 1e9,
    )


# NVIDIA's data sheets and white papers; tensor rates "with sparsity" halved, links halved to one direction.
#   h100, h200   H100 and H200 Tensor Core GPU data sheets, SXM; NVLink 4, PCIe 5
#   a100         A100 Tensor Core GPU data sheet, SXM; NVLink 3, PCIe 4
#   l40s         L40S data sheet; no NVLink, PCIe 4
#   rtx_4090     Ada GPU Architecture white paper, appendix A, bf16 with float32 accumulation; PCIe 4
# Networks are what a GPU has for itself in NVIDIA's own systems: DGX H100 and H200 400 Gb/s (InfiniBand NDR),
# DGX A100 200 Gb/s (HDR). Assumed for the others: 100 Gb/s and 10 Gb/s (Ethernet) a GPU.
GPUS: Mapping[str, Hardware] = {
    gpu.name: gpu
    for gpu in (
        #               GB   bf16   fp32   GB/s  link host network
        _gpu("h100", 80, (989.4, 66.9), 3350, 450, 64, 50),
        _gpu("h200", 141, (989.4, 66.9), 4800, 450, 64, 50),
        _gpu("a100_80gb", 80, (312, 19.5), 2039, 300, 32, 25),
        _gpu("a100_40gb", 40, (312, 19.5), 1555, 300, 32, 25),
        _gpu("l40s", 48, (362.05, 91.6), 864, 32, 32, 12.5),
        _gpu("rtx_4090", 24, (165.2, 82.6), 1008, 32, 32, 1.25),
    )
}
NAMES = (*GPUS, "cpu")


def find_hardware(name: str, dtype: str, threads: int | None = None) -> Hardware:
    """The device of that name; a CPU is measured in `dtype`. Raises ValueError for an unknown one."""
    if name == "cpu":
        return probe_cpu(dtype, threads)
    if name not in GPUS:
        near = [known for known in NAMES if name.lower() in known]
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise ValueError(f"unknown hardware {name!r}; {hint}expected one of {', '.join(NAMES)}")
    return GPUS[name]


def probe_cpu(dtype: str, threads: int | None = None) -> Hardware:
    """This machine's CPU: its rate in products of 1024 x 1024 matrices, its bandwidth in copies of 128 MB."""
    import torch  # takes seconds, and data sheets need none of it

    from rlaudio.utils.matrix_rate import matrix_rate

    before = torch.get_num_threads()
    torch.set_num_threads(thread_limit(threads) if threads else before)
    try:
        block = torch.ones(32 * 2**20, dtype=torch.float32)
        target = torch.empty_like(block)
        rate = matrix_rate(torch.device("cpu"), getattr(torch, dtype))
        copied = _best_seconds(lambda: target.copy_(block))
    finally:
        torch.set_num_threads(before)
    bandwidth = 2 * block.nbytes / copied  # read and written
    return Hardware(
        name="cpu",
        memory_bytes=float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")),
        flops={dtype: rate},
        bandwidth=bandwidth,
        interconnect=bandwidth,
        host_link=bandwidth,
        network=1.25e9,  # 10 Gb/s; an assumption
        reserved_bytes=0.5e9,  # Python, torch and transformers
        measured=True,
    )


def _best_seconds(work: Callable[[], object], repeats: int = 5) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
