"""Low-rank adapters by peft: added to a model, saved and read in peft's format, merged, copied frozen.

A linear layer of weight W computes (W + alpha / rank * B A) x, and only A and B train
(arXiv:2106.09685). B starts at 0, so the model starts as its base. Adapters are float32 in any base: they
are small, and updates at a fine-tuning learning rate are lost in bfloat16.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from peft.tuners.tuners_utils import cast_adapter_dtype
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model."  # of the names in peft's files
SEED = 0  # of A, in every run and every process
BLOCK = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")  # linear layers of one


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """The adapter of a recipe."""

    rank: int
    alpha: float
    targets: tuple[str, ...]  # names as `linear_layers` gives them


def linear_layers(
    model: torch.nn.Module, parts: Mapping[str, Sequence[torch.nn.Module]], main: str
) -> dict[str, list[str]]:
    """Full names of a model's linear layers by their names in a recipe.

    `q_proj` are those of that name in the part `main`, `audio_tower.q_proj` those in the part audio_tower.
    A projection that shares its weight with the embedding is left out: it could not be merged. One that
    clips what goes through it holds its matrix as `linear`, and has its own name.
    """
    embedding: Any = model.get_input_embeddings()  # type: ignore[operator]
    part_of = {id(m): part for part, tops in parts.items() for top in tops for m in top.modules()}
    layers: dict[str, list[str]] = {}
    for name, module in model.named_modules():
        part = part_of.get(id(module))
        if part and isinstance(module, torch.nn.Linear) and module.weight is not embedding.weight:
            leaf = name.removesuffix(".linear").rpartition(".")[-1]
            layers.setdefault(leaf if part == main else f"{part}.{leaf}", []).append(name)
    return dict(sorted(layers.items()))


def targets_in(layers: Collection[str]) -> tuple[str, ...]:
    """The linear layers of the language model's blocks, of which not every model has all."""
    return tuple(name for name in BLOCK if name in layers)


def check_freeze(frozen: Collection[str], components: Collection[str]) -> None:
    """Refuse parts that the model does not have. Raises ValueError."""
    unknown = [name for name in frozen if name not in components]
    if unknown:
        raise ValueError(f"freeze names {unknown[0]}; this model has {', '.join(components)}")


def check_targets(targets: Collection[str], layers: Collection[str], frozen: Collection[str]) -> None:
    """Refuse targets that are not in the model, and those in frozen parts. Raises ValueError."""
    unknown = [name for name in targets if name not in layers]
    if unknown or not targets:
        named = ", ".join(map(repr, unknown)) or "nothing"
        raise ValueError(f"lora_targets names {named}; this model has {', '.join(layers)}")
    for name in targets:
        part = name.rpartition(".")[0] or "language_model"
        if part in frozen:
            raise ValueError(
                f"lora_targets names {name!r} and freeze names {part}; expected a part in one of them: with "
                "an adapter everything else is frozen already"
            )


def check_rank(rank: int, layers: Iterable[Any]) -> None:
    """Refuse a rank above that of a layer that gets an adapter. Raises ValueError."""
    smallest = min(layers, key=lambda layer: min(layer.in_features, layer.out_features))
    most = min(smallest.in_features, smallest.out_features)
    if rank > most:
        raise ValueError(
            f"lora_rank is {rank}, and a matrix that lora_targets names is {smallest.out_features} x "
            f"{smallest.in_features}; expected at most {most}: a higher rank adds nothing to it"
        )


def add_adapter(model: torch.nn.Module, adapter: Adapter, names: Iterable[str], base: str) -> None:
    """Put a new adapter on the named layers; nothing else in the model trains after that.

    `base` is where the base's weights are when the adapter is opened again.
    """
    config = LoraConfig(
        r=adapter.rank,
        lora_alpha=adapter.alpha,  # type: ignore[arg-type]
        target_modules=_target_modules(model, list(names)),
        base_model_name_or_path=base,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        _inject(model, config)


def _target_modules(model: Any, names: Sequence[str]) -> str | list[str]:
    """The named layers as peft takes them: one expression, since it does not keep a list's order.

    Where there are experts peft shortens an expression to the last parts of the names that match it, which
    would add layers of other parts; there the names are listed.
    """
    if getattr(model.config.get_text_config(), "num_experts", 0):
        return list(names)
    patterns = sorted({re.sub(r"\\\.\d+\\\.", r"\\.\\d+\\.", re.escape(name)) for name in names})
    return "|".join(patterns)


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter rather than a model."""
    return (folder / CONFIG).is_file()


def base_of(folder: Path) -> str:
    """The path of the model that the adapter in `folder` belongs to. Raises ValueError."""
    config = LoraConfig.from_pretrained(str(folder))
    if (
        not isinstance(config, LoraConfig)
        or config.use_dora
        or config.modules_to_save
        or config.bias != "none"
    ):
        raise ValueError(
            f"{folder}: expected a LoRA adapter of low-rank matrices alone; found another kind of peft "
            "adapter; merge it into its base with peft and name the merged folder"
        )
    if not config.base_model_name_or_path:
        raise ValueError(
            f"{folder / CONFIG} does not say which model the adapter belongs to; expected "
            "base_model_name_or_path; write it there"
        )
    return str(config.base_model_name_or_path)


def open_adapter(model: torch.nn.Module, folder: Path, base: str) -> None:
    """Put the adapter that `save_adapter` or peft wrote on the model; nothing else trains after that.

    Its dropout is not used: log-probs in training would differ from those in sampling.
    """
    config = LoraConfig.from_pretrained(str(folder))
    config.base_model_name_or_path, config.inference_mode, config.lora_dropout = base, False, 0.0
    _inject(model, config)
    read_weights(model, folder)


def check_same(model: torch.nn.Module, adapter: Adapter, names: Iterable[str], folder: Path) -> None:
    """Refuse an opened adapter that differs from the recipe's. Raises ValueError."""
    config = _config(model)
    given = {"lora_rank": adapter.rank, "lora_alpha": adapter.alpha, "lora_targets": sorted(names)}
    opened = {"lora_rank": config.r, "lora_alpha": config.lora_alpha, "lora_targets": sorted(_layers(model))}
    differing = [key for key, value in given.items() if opened[key] != value]
    if differing:
        raise ValueError(
            f"{folder}: the adapter there differs from the recipe in {', '.join(differing)} (its rank is "
            f"{config.r}, its alpha {config.lora_alpha:g}); leave the lora options out to take it as it is"
        )


def read_weights(model: torch.nn.Module, folder: Path) -> None:
    """Load the weights of an adapter in `folder`. Raises ValueError where they do not fit the model."""
    try:
        result: Any = set_peft_model_state_dict(model, load_file(folder / WEIGHTS))
    except (RuntimeError, SafetensorError) as error:
        raise ValueError(
            f"{folder / WEIGHTS} cannot be put on the model: {error}; expected the whole file of an adapter "
            "of this model"
        ) from error
    missing = [name for name in result.missing_keys if ".lora_" in name]
    if missing or result.unexpected_keys:
        raise ValueError(
            f"{folder / WEIGHTS} does not fit the model: missing {missing[:3]}, unknown "
            f"{result.unexpected_keys[:3]}; expected an adapter of this model family"
        )


def save_adapter(model: torch.nn.Module, folder: Path) -> None:
    """Write the adapter in peft's own format: its config, which names the base, and its weights."""
    folder.mkdir(parents=True, exist_ok=True)
    config = copy.copy(_config(model))
    if isinstance(config.target_modules, set):
        config.target_modules = sorted(config.target_modules)  # the same file every time
    config.save_pretrained(str(folder))
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    save_file({f"{PREFIX}{name}": tensor.contiguous() for name, tensor in state.items()}, folder / WEIGHTS)


def merged_state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The model's tensors by their names without an adapter, the adapter added in float32."""
    state = {
        name.replace(".base_layer.", "."): tensor
        for name, tensor in model.state_dict().items()
        if ".lora_" not in name
    }
    return state | {f"{name}.weight": _merged(layer).cpu() for name, layer in _layers(model).items()}


def merged_layers(model: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """The weights of the layers that have an adapter, named and merged as in `merged_state`, one by one."""
    return ((f"{name}.weight", _merged(layer)) for name, layer in _layers(model).items())


def frozen_copy(model: torch.nn.Module) -> torch.nn.Module:
    """A copy whose weights do not change: modules that train are copied, the others are shared."""
    shared: dict[int, Any] = {id(module): module for module in model.modules() if not trains(module)}
    return copy.deepcopy(model, shared).requires_grad_(False)


def switch_off_zeros(model: torch.nn.Module) -> None:
    """Make layers whose adapter is 0, as before training, compute with their base alone."""
    for layer in _layers(model).values():
        if not layer.lora_B["default"].weight.any():
            layer.enable_adapters(False)


def trains(module: torch.nn.Module) -> bool:
    """Whether a parameter in the module trains."""
    return any(p.requires_grad for p in module.parameters())


# --- helpers -------------------------------------------------------------------------------------


def _inject(model: torch.nn.Module, config: LoraConfig) -> None:
    inject_adapter_in_model(config, model)
    cast_adapter_dtype(model, "default")


@torch.no_grad()
def _merged(layer: Any) -> torch.Tensor:
    """The weight of a layer and its adapter together."""
    weight: torch.Tensor = layer.get_base_layer().weight
    delta: torch.Tensor = layer.get_delta_weight("default")
    return (weight.float() + delta.float()).to(weight.dtype)


def _config(model: Any) -> LoraConfig:
    return model.peft_config["default"]


def _layers(model: torch.nn.Module) -> dict[str, Any]:
    return {name: module for name, module in model.named_modules() if isinstance(module, LoraLayer)}
