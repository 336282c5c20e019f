"""Hugging Face folders: local or downloaded, checked for their parts, and their files beside the weights."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import hf_hub_download, snapshot_download, try_to_load_from_cache
from huggingface_hub.constants import HF_HUB_CACHE
from huggingface_hub.errors import HFValidationError
from safetensors import SafetensorError

from rlaudio.models.shared.model_types import family_of
from rlaudio.utils.messages import with_article

PARTS = {
    "config": ("config.json",),
    "tokenizer": ("tokenizer.json", "vocab.json", "tekken.json"),
    "audio feature extractor": ("preprocessor_config.json", "processor_config.json"),
}
KEPT = (".json", ".jinja", ".txt", ".model")  # kinds of files that describe a model
WEIGHT_INDEX = ".index.json"
_HUB_SECONDS = 5  # to wait for the hub's answer about a config


def local_folder(path: str) -> str:
    """The folder itself, or that of a model of the hub, downloaded once. Raises FileNotFoundError."""
    if Path(path).is_dir():
        return path
    try:
        return snapshot_download(path)
    except (HFValidationError, OSError) as error:
        looked = (
            f"looked for {', '.join(names[0] for names in PARTS.values())} and weights in {_places(path)}"
        )
        raise FileNotFoundError(
            f"model {path}: no such folder, and the hub gave nothing under that name ({error}); {looked}; "
            "expected a Hugging Face model folder, a name on the hub or tiny/NAME; without a network name a "
            "folder that was copied here"
        ) from error


def _places(path: str) -> str:
    """Where a model of that name would be on this machine."""
    folder = Path(path).absolute()
    cache = Path(HF_HUB_CACHE) / f"models--{path.replace('/', '--')}" / "snapshots"
    return f"{folder} and {cache}"


def cached_config(name: str) -> Path | None:
    """The config.json of a model of the hub, if it is in the local cache."""
    try:
        path = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return None
    return Path(path) if isinstance(path, str) else None


def fetched_config(name: str, *, known: Iterable[str]) -> Path:
    """The config.json of a model of the hub, downloaded. Raises FileNotFoundError, which lists `known`."""
    try:
        return Path(hf_hub_download(name, "config.json", etag_timeout=_HUB_SECONDS))
    except (HFValidationError, OSError) as error:
        raise FileNotFoundError(
            f"model {name}: no such folder, and the hub gave no config.json under that name ({error}); "
            f"expected a folder with a config.json, a name on the hub, tiny/NAME or one of "
            f"{', '.join(known)}, whose shape is known; weights are not needed"
        ) from error


def read_other_files(folder: Path) -> dict[str, bytes]:
    """The files of a model folder beside its weights, kept to save the model when the folder is gone."""
    files = sorted(file for file in folder.iterdir() if file.is_file())
    return {
        file.name: file.read_bytes()
        for file in files
        if file.suffix in KEPT and not file.name.endswith(WEIGHT_INDEX)
    }


def check_complete(folder: str, files: Iterable[str]) -> None:
    """Refuse a folder without a part: transformers would make an empty tokenizer without a warning."""
    for part, names in PARTS.items():
        if not set(names) & set(files):
            raise FileNotFoundError(
                f"model {folder} has no {part}; expected a complete Hugging Face folder, with "
                f"{' or '.join(names)}; {_meant(Path(folder)) or 'save the processor beside the weights'}"
            )


def check_config(place: str, content: bytes, model_types: Sequence[str]) -> None:
    """Refuse the config.json of a model of another family, or of one without audio. Raises ValueError.

    `place` is what the message begins with.
    """
    config = json.loads(content)
    kind = str(config.get("model_type"))
    if kind not in model_types:
        family = family_of(kind)
        advice = f"say model.use: {family}" if family else "name a model of that family"
        raise ValueError(
            f"{place} describes {with_article(kind)}; expected {with_article(model_types[0])}; {advice}"
        )
    if "audio_config" not in config and "audio_config" not in config.get("thinker_config", {}):
        raise ValueError(
            f"{place} has no audio_config: a model without it does not hear; expected the config.json of the "
            "whole model; copy it again"
        )


def _meant(folder: Path) -> str:
    """What to name in place of a folder that holds a model's folder; empty where it holds none."""
    inner = [folder / name for name in ("model", "final") if (folder / name / "config.json").is_file()]
    return f"there is one in it: {inner[0]}" if inner else ""


def open_complete(model_class: Any, folder: str, **options: Any) -> Any:
    """The model in a folder by transformers' `from_pretrained`, all of whose weights are in the folder.

    Without this a weight that is missing would be random. Raises ValueError.
    """
    try:
        model, report = model_class.from_pretrained(folder, output_loading_info=True, **options)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise ValueError(
            f"model {folder}: its weights cannot be read ({error}); expected the complete files of one "
            "model; copy or download the folder again"
        ) from error
    if missing := sorted(report["missing_keys"]):
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise ValueError(
            f"model {folder}: its files lack the weights {', '.join(missing[:3])}{more}; expected all that "
            "its config.json describes; copy or download the folder again"
        )
    return model


def in_own_memory(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors; those that are views of a larger buffer are copied to the host. Tied tensors stay tied.

    ZeRO keeps parameters as views of one buffer, which cannot be written to a Hugging Face folder.
    """
    copies: dict[tuple[int, torch.Size], torch.Tensor] = {}
    separate = {}
    for name, tensor in tensors.items():
        key = (tensor.data_ptr(), tensor.shape)
        if tensor.untyped_storage().nbytes() != tensor.nbytes and key not in copies:
            copies[key] = tensor.to("cpu", copy=True)
        separate[name] = copies.get(key, tensor)
    return separate
