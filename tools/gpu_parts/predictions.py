"""What `rlaudio explain` says of the steps that are measured here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
from bench_clock import seconds_of
from bench_floor import matmul_rate
from bench_thinker import GROUP
from gpu_parts.shapes import Variant

from rlaudio.config.recipe import load_recipe
from rlaudio.planning.assumptions import Assumptions
from rlaudio.planning.hardware import GPUS, Hardware, find_hardware
from rlaudio.planning.memory import ENDING, totals
from rlaudio.planning.plan import Plan, plan
from rlaudio.types import Prompt

LARGE_PRODUCT = (8192, 8192, 8192)
RECIPE = "weak_to_strong_qwen2_5_omni_7b"
NOT_ALLOCATED = "runtime and libraries (assumed)"
STATE = ("optimizer: averages, master weights", "gradients")


@dataclass(frozen=True)
class Prediction:
    """Seconds and bytes of an update of one question, and seconds of a rollout."""

    update_seconds: float
    update_bytes: float
    rollout_seconds: float


def predict(
    folder: Path, variant: Variant, prompt: Prompt, new_tokens: int, hardware: Hardware, count: int = 1
) -> Prediction:
    """The plan of a model folder without weights, for prompts like `prompt` and so many questions."""
    made = _planned(folder, variant, prompt, new_tokens, hardware, count)
    seconds = {phase.name: phase.seconds for phase in made.stages[-1].phases}
    update = seconds["update: forward and backward"] + (seconds["optimizer"] if variant.optimizer else 0.0)
    rows = [row for row in made.memory if row.name != NOT_ALLOCATED]
    if not variant.optimizer:
        rows = [row for row in rows if row.name not in STATE]
    size = max(size for phase, size in totals(rows).items() if phase in ("RL update", ENDING))
    return Prediction(
        update_seconds=update,
        update_bytes=size + (0.0 if variant.optimizer else made.model.trained_bytes),
        rollout_seconds=sum(s for name, s in seconds.items() if name.startswith("rollout: ")),
    )


@cache
def device_of_plans(device: str) -> Hardware:
    """The data sheet of this machine's GPU, chosen by its name and memory; without one it is measured."""
    if device != "cuda":  # in bf16 a product may take seconds, and nobody asks for its rate
        found = find_hardware("cpu", "float32")
        return replace(found, flops={"bfloat16": found.flops["float32"]})
    found = torch.cuda.get_device_properties(0)
    words = found.name.lower().replace(" ", "_")
    same = [gpu for name, gpu in GPUS.items() if name.removesuffix("_80gb").removesuffix("_40gb") in words]
    if not same:
        return _measured(found.name, float(found.total_memory))
    return min(same, key=lambda gpu: abs(gpu.memory_bytes - found.total_memory))


def _measured(name: str, memory: float) -> Hardware:
    """A GPU by the rates of its large products and of its copies, which stand for its links too."""
    rate = matmul_rate(Counter([LARGE_PRODUCT]), 10, device="cuda", dtype=torch.bfloat16)
    block = torch.empty(2**30, dtype=torch.uint8, device="cuda")
    copied = 2 * block.nbytes / min(seconds_of(block.clone, "cuda", 5))  # read and written
    return Hardware(
        name=f"{name} (measured)",
        memory_bytes=memory,
        flops={"bfloat16": rate},
        bandwidth=copied,
        interconnect=copied,
        network=copied,
        host_link=copied,
        measured=True,
    )


def _planned(
    folder: Path, variant: Variant, prompt: Prompt, new_tokens: int, hardware: Hardware, count: int
) -> Plan:
    audio = int((prompt.token_ids == prompt.token_ids[_middle(prompt)]).sum())
    frames = prompt.features["input_features"].shape[1]
    changes = {
        "model.path": folder,
        "model.gradient_checkpointing": "false",
        "model.lora_rank": variant.options.get("lora_rank", 0),
        "model.audio_cache_mb": 16,
        "algorithm.kl": 0,
        "curriculum": "{use: rl_only}",
        "sampling.questions": count,
        "sampling.group_size": GROUP,
        "sampling.top_k": 0,
        "sampling.max_new_tokens": new_tokens,
        "strategy": "plain",
        "rollout": "transformers",
        "mismatch.logprobs": "sampled",
        "training.micro_batch_tokens": 16_384,
    }
    recipe = load_recipe(RECIPE, [f"{key}={value}" for key, value in changes.items()])
    assumed = Assumptions(seconds=frames / 100, completion=new_tokens, text=len(prompt.token_ids) - audio)
    return plan(recipe, hardware, assumed)


def _middle(prompt: Prompt) -> int:
    """A place within the audio, which is most of a prompt here."""
    return len(prompt.token_ids) // 2
