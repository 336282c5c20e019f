"""Sizes of a model from its config, for plans.

The model is built on torch's meta device, where parameters have shapes and no storage, so counts are those
of the loaded model.
"""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from rlaudio.models.shared import lora
from rlaudio.models.shared.architecture import Architecture
from rlaudio.models.shared.checkpoint_files import cached_config, check_config, fetched_config, hub_name
from rlaudio.models.shared.model_paths import resolve_model_path
from rlaudio.models.shared.model_types import MODEL_TYPES
from rlaudio.models.shared.sizes import ModelPart, ModelSize


def model_size(use: str, options: Mapping[str, Any]) -> ModelSize:
    """The size of the model that a recipe's model section names, by plug-in and options.

    Raises ValueError for a family that gives no sizes, FileNotFoundError where there is no config.
    """
    if use not in MODEL_TYPES:
        raise ValueError(
            f"the model family {use} gives no sizes; a plan can be made for: {', '.join(sorted(MODEL_TYPES))}"
        )
    return _described(use, json.dumps(dict(options), sort_keys=True, default=str))


@functools.lru_cache
def _described(use: str, options: str) -> ModelSize:
    module = importlib.import_module(f"rlaudio.models.{use}")
    classes = (value for value in vars(module).values() if isinstance(value, type))
    here = (c for c in classes if issubclass(c, Architecture) and c.__module__ == module.__name__)
    return size_of(next(here), json.loads(options))


def size_of(family: type[Architecture], options: Mapping[str, Any]) -> ModelSize:
    """The model as the family loads it: of an omni model the thinker alone."""
    path = str(options["path"])
    adapter_folder = Path(resolve_model_path(path))
    opened = adapter_folder if lora.is_adapter(adapter_folder) else None
    config, source, folder = _config(family, lora.base_of(opened) if opened else path)
    model = family.blank_of(config)
    rank = int(options.get("lora_rank", 0))
    adapters = _opened_adapter(opened) if opened else _new_adapter(family, model, rank, options)
    components = family.components(model)
    lora.check_freeze(options.get("freeze", ()), components)
    frozen = set(components if rank or opened else options.get("freeze", ()))
    frozen |= {"router", "per_layer_embeddings"} if "language_model" in frozen else set()  # which stand in it
    precision = torch.finfo(getattr(torch, options.get("dtype", "float32"))).bits // 8
    tokenizer = folder / "tokenizer.json" if folder else None
    chat = family.prompts.chat("{system}", "{user}", 1)
    return ModelSize(
        parts=_parts(family, model, frozen, precision, sum(adapters)),
        decoder=family.decoder_shape(config.text_config),
        tower=family.tower_shape(config),
        decoder_trains="language_model" not in frozen,
        tower_trains="audio_tower" not in frozen,
        projector_trains="projector" not in frozen,
        decoder_adapter=adapters[0],
        tower_adapter=adapters[1],
        source=source,
        tokenizer=tokenizer if tokenizer and tokenizer.is_file() else None,
        prompt_text=chat.replace(family.prompts.audio, ""),
    )


def _config(family: type[Architecture], path: str) -> tuple[Any, str, Path | None]:
    """The model's config, where it is from, and the folder that may hold a tokenizer."""
    folder = Path(resolve_model_path(path))
    if folder.is_dir():
        return _read_config(family, folder / "config.json"), f"config.json in {path}", folder
    cached = cached_config(path)
    if cached:
        source = f"config.json of {path}, from the hub's local cache"
        return _read_config(family, cached), source, cached.parent
    name, _ = hub_name(path)
    if name in family.known:
        source = f"the known shape of {name}: its config is not on this machine; the hub was not asked"
        return family.model_class.config_class(**family.known[name]), source, None
    fetched = fetched_config(path, known=family.known)
    return _read_config(family, fetched), f"config.json of {path}, from the hub", fetched.parent


def _read_config(family: type[Architecture], file: Path) -> Any:
    """The model's config in a config.json. Raises FileNotFoundError and ValueError."""
    if not file.is_file():
        raise FileNotFoundError(f"no {file}; expected the config of a model; name its complete folder")
    check_config(str(file), file.read_bytes(), family.model_types)
    return family.read_config(file.parent)


def _parts(
    family: type[Architecture], model: Any, frozen: set[str], precision: int, adapter: int
) -> tuple[ModelPart, ...]:
    """Every parameter once: those that nothing uses first, then those of the parts in their order."""
    counted: set[torch.nn.Parameter] = set()

    def count(parameters: Iterator[torch.nn.Parameter]) -> int:
        new = set(parameters) - counted
        counted.update(new)
        return sum(parameter.numel() for parameter in new)

    unused = count(p for module in family.unused(model) for p in module.parameters())
    embeddings = count(model.get_input_embeddings().parameters())
    head = count(model.get_output_embeddings().parameters())
    components = family.components(model)
    counts = {name: count(p for m in modules for p in m.parameters()) for name, modules in components.items()}
    parts = [
        ModelPart(name.replace("_", " "), n, name not in frozen, precision) for name, n in counts.items()
    ]
    trained = "language_model" not in frozen
    parts += [
        ModelPart("input embeddings", embeddings, trained, precision),
        ModelPart("output head", head, trained, precision),
        ModelPart(family.unused_name, unused, False, precision),
    ]
    if adapter:
        parts.append(ModelPart("adapter (LoRA)", adapter, True, 4))  # kept in float32, see lora.py
    return tuple(parts)


def _new_adapter(
    family: type[Architecture], model: Any, rank: int, options: Mapping[str, Any]
) -> tuple[int, int]:
    """Parameters of a new adapter on language model and audio. Raises ValueError for wrong targets."""
    if not rank:
        return 0, 0
    layers = family.linear_layers(model)
    given = options.get("lora_targets")
    targets = lora.targets_in(layers) if given is None else given
    lora.check_targets(targets, layers, options.get("freeze", ()))
    sizes = {True: 0, False: 0}
    for target in targets:
        for name in layers[target]:
            layer = model.get_submodule(name)
            sizes["." in target] += rank * (layer.in_features + layer.out_features)
    return sizes[False], sizes[True]


def _opened_adapter(folder: Path) -> tuple[int, int]:
    """Parameters of the adapter in `folder`, on language model and audio, from its file's header."""
    sizes = {True: 0, False: 0}
    with safe_open(folder / lora.WEIGHTS, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118 - no dict
            in_audio = any(part in name for part in ("audio_tower", "multi_modal_projector", "embed_audio"))
            sizes[in_audio] += torch.Size(file.get_slice(name).get_shape()).numel()
    return sizes[False], sizes[True]
