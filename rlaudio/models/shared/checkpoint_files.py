"""Hugging Face folders: local or downloaded, checked for their parts, and their files beside the weights."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import constants, hf_hub_download, snapshot_download, try_to_load_from_cache
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
    return path if Path(path).is_dir() else _downloaded(path, weights=True)


def described_folder(path: str) -> str:
    """As `local_folder`, but of a model of the hub only what describes it is downloaded, no weights."""
    return path if Path(path).is_dir() else _downloaded(path, weights=False)


def _downloaded(path: str, *, weights: bool) -> str:
    name, revision = hub_name(path)
    patterns = None if weights else [f"*{suffix}" for suffix in KEPT]
    try:
        return snapshot_download(name, revision=revision, allow_patterns=patterns)
    except (HFValidationError, OSError) as error:
        files = ", ".join(names[0] for names in PARTS.values())
        raise FileNotFoundError(
            f"model {path}: no such folder, and the hub gave nothing under that name ({error}); looked for "
            f"{files} and weights in {_places(path)}; expected a Hugging Face model folder, tiny/NAME or a "
            "name on the hub (OWNER/NAME, OWNER/NAME@COMMIT); without a network a folder that was copied here"
        ) from error


def hub_name(path: str) -> tuple[str, str | None]:
    """Name and revision in `OWNER/NAME@REVISION`; without a revision that is the latest."""
    name, _, revision = path.partition("@")
    return name, revision or None


def is_of_hub(folder: str) -> bool:
    """Whether a folder is one that was downloaded from the hub."""
    return Path(folder).absolute().parent.name == "snapshots"


def has_weights(folder: str) -> bool:
    """Whether all files of weights that a downloaded folder should have are in it."""
    indexes = list(Path(folder).glob(f"*{WEIGHT_INDEX}"))
    named = {name for index in indexes for name in json.loads(index.read_bytes())["weight_map"].values()}
    if named:
        return all((Path(folder) / name).is_file() for name in named)
    return any(Path(folder).glob("*.safetensors")) or any(Path(folder).glob("*.bin"))


def _places(path: str) -> str:
    """Where a model of that name would be on this machine."""
    name, revision = hub_name(path)
    snapshots = Path(constants.HF_HUB_CACHE) / f"models--{name.replace('/', '--')}" / "snapshots"
    return f"{Path(path).absolute()} and {snapshots / revision if revision else snapshots}"


def cached_config(path: str) -> Path | None:
    """The config.json of a model of the hub, if it is in the local cache."""
    name, revision = hub_name(path)
    try:
        cached = try_to_load_from_cache(name, "config.json", revision=revision)
    except HFValidationError:
        return None
    return Path(cached) if isinstance(cached, str) else None


def fetched_config(path: str, *, known: Iterable[str]) -> Path:
    """The config.json of a model of the hub, downloaded. Raises FileNotFoundError, which lists `known`."""
    name, revision = hub_name(path)
    try:
        return Path(hf_hub_download(name, "config.json", revision=revision, etag_timeout=_HUB_SECONDS))
    except (HFValidationError, OSError) as error:
        raise FileNotFoundError(
            f"model {path}: no such folder, and the hub gave no config.json under that name ({error}); "
            f"looked in {_places(path)}; expected a folder with a config.json, a name on the hub, tiny/NAME "
            f"or one of {', '.join(known)}, whose shape is known; weights are not needed"
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
    if config.get("audio_config") is None and config.get("thinker_config", {}).get("audio_config") is None:
        raise ValueError(
            f"{place} has no audio_config: a model without it does not hear; expected the config.json of the "
            "whole model; copy it again, or name a model that hears"
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
