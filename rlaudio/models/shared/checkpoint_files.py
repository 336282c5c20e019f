"""Hugging Face folders: found or fetched, checked for their parts, and what they hold beside the weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError

PARTS = {
    "config": ("config.json",),
    "tokenizer": ("tokenizer.json", "vocab.json"),
    "audio feature extractor": ("preprocessor_config.json", "processor_config.json"),
}
KEPT = (".json", ".jinja", ".txt", ".model")  # kinds of files that describe a model
WEIGHT_INDEX = ".index.json"


def local_folder(path: str) -> str:
    """The folder itself, or that of a model of the hub, downloaded once. Raises FileNotFoundError."""
    if Path(path).is_dir():
        return path
    try:
        return snapshot_download(path)
    except (HFValidationError, OSError) as error:
        raise FileNotFoundError(
            f"model {path}: no such folder, and the hub gave nothing under that name ({error}); "
            "expected a Hugging Face model folder, a name on the hub or tiny/NAME"
        ) from error


def read_other_files(folder: Path) -> dict[str, bytes]:
    """What describes a model beside its weights: a saved model keeps it, even when the folder is gone."""
    files = sorted(file for file in folder.iterdir() if file.is_file())
    return {
        file.name: file.read_bytes()
        for file in files
        if file.suffix in KEPT and not file.name.endswith(WEIGHT_INDEX)
    }


def check_complete(folder: str, files: Iterable[str]) -> None:
    """Refuse a folder without a part: transformers would make an empty tokenizer without a word."""
    for part, names in PARTS.items():
        if not set(names) & set(files):
            raise FileNotFoundError(
                f"model {folder} has no {part}; expected a complete Hugging Face folder, with "
                f"{' or '.join(names)}; save the processor beside the weights"
            )


def in_own_memory(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors, parts of a larger memory copied out of it to the host; tied tensors stay tied.

    ZeRO keeps parameters as parts of one buffer, which a Hugging Face folder cannot be written from.
    """
    copies: dict[tuple[int, torch.Size], torch.Tensor] = {}
    own = {}
    for name, tensor in tensors.items():
        key = (tensor.data_ptr(), tensor.shape)
        if tensor.untyped_storage().nbytes() != tensor.nbytes and key not in copies:
            copies[key] = tensor.to("cpu", copy=True)
        own[name] = copies.get(key, tensor)
    return own
