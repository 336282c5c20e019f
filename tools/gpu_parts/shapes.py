"""Thinkers of given shapes with random weights, made on their device and never written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from bench_thinker import write_thinker
from transformers import Qwen2_5OmniThinkerForConditionalGeneration as Thinker
from transformers.models.qwen2_5_omni.configuration_qwen2_5_omni import Qwen2_5OmniThinkerConfig

from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.training.strategies.strategy import Item, OptimizerSettings, Result
from rlaudio.utils.processes import Processes
from rlaudio.worlds.pretraining.blank_model import Size

Shape = Mapping[str, Mapping[str, Any]]  # changes to the config, by part

# The visual tower of all of them is that of the tiny models: neither rlaudio nor its plan computes with it.
_TINY = Size(hidden=64, layers=2, feed_forward=128, audio_hidden=64, audio_layers=2, mels=128)
_AUDIO = {
    "d_model": 1280,
    "encoder_layers": 32,
    "encoder_attention_heads": 20,
    "encoder_ffn_dim": 5120,
}


def _shape(width: int, layers: int, heads: tuple[int, int], feed_forward: int, vocabulary: int) -> Shape:
    """A language model whose heads are 128 wide, behind the audio tower of Qwen2.5-Omni."""
    text = {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "layer_types": ["full_attention"] * layers,
        "num_attention_heads": heads[0],
        "num_key_value_heads": heads[1],
        "intermediate_size": feed_forward,
        "vocab_size": vocabulary,
        "max_position_embeddings": 32_768,
        "initializer_range": 0.02,
        "rope_parameters": {
            "rope_type": "default",
            "mrope_section": [16, 24, 24],
            "rope_theta": 1_000_000.0,
        },
    }
    return {
        "text_config": text,
        "audio_config": _AUDIO | {"output_dim": width},
        "vision_config": {"out_hidden_size": width},
    }


# config.json of Qwen/Qwen2.5-Omni-3B and -7B, thinker_config; `tiny` and `parity` are ours.
SHAPES: Mapping[str, Shape] = {
    "tiny": {},
    "parity": _shape(1024, 8, (8, 2), 4096, 16_384),
    "3B": _shape(2048, 36, (16, 2), 11_008, 151_936),
    "7B": _shape(3584, 28, (28, 4), 18_944, 152_064),
}
PADDING = 271  # rows behind the last token, as in the 3B model: they are never sampled


def shape_folder(work: Path, name: str) -> Path:
    """A folder in `work` with config, tokenizer and processor of a shape in SHAPES, without weights."""
    folder = work / name
    if folder.is_dir():
        return folder
    write_thinker(folder, _TINY)
    (folder / "model.safetensors").unlink()
    file = folder / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    for part, changes in SHAPES[name].items():
        config["thinker_config"][part].update(changes)
    file.write_text(json.dumps(config), encoding="utf-8")
    return folder


def open_shape(folder: Path, device: str, **options: Any) -> Qwen2_5Omni:
    """The family in `folder`, still without a model."""
    family = Qwen2_5Omni(path=str(folder), device=device, **options)
    rows = family.forbidden_token_ids  # a short tokenizer's padding: most of a large vocabulary
    last = max(rows) + 1 if rows else 0
    family.forbidden_token_ids = tuple(t for t in rows if t < len(family.tokenizer) or t >= last - PADDING)
    return family


def fill(family: Qwen2_5Omni) -> Qwen2_5Omni:
    """The same family with a model of random weights, made on its device."""
    config = Qwen2_5OmniThinkerConfig.from_pretrained(family.path)
    with torch.device(family.device):
        model = Thinker._from_config(config, dtype=family.dtype, attn_implementation=family.attention)
    family.model = family._set_up(model).to(family.device).eval()  # in place of weights from the folder
    return family


@dataclass(frozen=True)
class Variant:
    """A shape and what of it trains."""

    shape: str
    trained: str  # as a figure names it
    optimizer: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)  # of the model

    @property
    def name(self) -> str:
        return f"{self.shape} {self.trained}"


class GradientsOnly:
    """A strategy that computes gradients in the weights' precision and drops them; it has no optimizer."""

    def __init__(self, module: torch.nn.Module, settings: OptimizerSettings, processes: Processes):
        self.module = module
        self.processes = processes

    def forward(self, batch: Any) -> Any:
        """The module's output for a micro-batch."""
        return self.module(batch)

    def compute(self, function: Callable[[Item], Result], micro_batches: Sequence[Item]) -> Iterator[Result]:
        """The function's results, one after another."""
        return map(function, micro_batches)

    def accumulate(
        self, loss_of: Callable[[Item], tuple[torch.Tensor, Result]], micro_batches: Sequence[Item]
    ) -> Iterator[Result]:
        """Add the gradients of every micro-batch's loss."""
        for micro_batch in micro_batches:
            loss, result = loss_of(micro_batch)
            loss.backward()
            yield result

    def update(self, factor: float) -> float:
        """Drop the gradients; no norm is taken."""
        self.module.zero_grad(set_to_none=True)
        return 0.0
