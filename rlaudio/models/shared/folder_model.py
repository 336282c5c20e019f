"""The model in a Hugging Face folder: opened, frozen as asked, with its adapter, and written again."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from huggingface_hub import save_torch_state_dict

from rlaudio.models.shared import checkpoint_names, lora
from rlaudio.models.shared.alignment import aligned
from rlaudio.models.shared.architecture import Architecture
from rlaudio.models.shared.branching_attention import BRANCHING
from rlaudio.models.shared.checkpoint_files import (
    check_complete,
    check_config,
    has_weights,
    in_own_memory,
    is_of_hub,
    local_folder,
    open_complete,
    read_other_files,
)
from rlaudio.models.shared.devices import pick_device
from rlaudio.models.shared.model_paths import resolve_model_path
from rlaudio.utils.onednn_linear import use_onednn

ModelComponent = Literal["audio_tower", "projector", "language_model", "router", "per_layer_embeddings"]


@dataclass(frozen=True, kw_only=True)
class Opening:
    """How a model is opened."""

    dtype: str
    device: str
    attention: Literal["sdpa", "eager"]
    freeze: tuple[ModelComponent, ...]
    gradient_checkpointing: bool
    lora_rank: int
    lora_alpha: float | None
    lora_targets: tuple[str, ...] | None


class FolderModel(Architecture):
    """A family's model in the folder `path`, or that of an adapter, which names its base."""

    def __init__(self, path: str, how: Opening):
        given = Path(local_folder(resolve_model_path(path)))
        self.adapter_folder = given if lora.is_adapter(given) else None
        self.base = lora.base_of(given) if self.adapter_folder else _findable(path)
        self.path = local_folder(resolve_model_path(self.base)) if self.adapter_folder else str(given)
        self._other_files = read_other_files(Path(self.path))
        check_complete(self.path, self._other_files)
        check_config(self.path, self._other_files["config.json"], self.model_types)
        self.dtype = getattr(torch, how.dtype)
        self.device = pick_device(how.device)
        self.attention = how.attention
        self.freeze = how.freeze
        self.adapter = self._adapter(how.lora_rank, how.lora_alpha, how.lora_targets)
        self.gradient_checkpointing = how.gradient_checkpointing

    @cached_property
    def model(self) -> Any:
        """The model, loaded on first use, in eval mode (no dropout), frozen as asked."""
        model = self._opened()
        if self.gradient_checkpointing:  # not reentrant: that would need a gradient for the layers' input
            model.gradient_checkpointing_enable({"use_reentrant": False})
        return model.to(self.device).eval()

    def blank(self) -> torch.nn.Module:
        """The same model on torch's meta device: names, shapes and what trains, without memory.

        Of a model of the hub whose weights are not here yet they are those that its config describes. Raises
        ValueError where a folder's weights are missing, damaged or those of another model.
        """
        if is_of_hub(self.path) and not has_weights(self.path):
            return self._set_up(self.blank_of(self.read_config(self.path)).to(self.dtype))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*which is a no-op", UserWarning)  # of an adapter's weights
            return self._opened(device_map="meta")

    # --- weights -------------------------------------------------------------------------------

    @property
    def has_adapter(self) -> bool:
        """Whether an adapter is trained, or lies in the folder that was opened."""
        return bool(self.adapter or self.adapter_folder)

    def named_weights(self) -> Iterable[tuple[str, torch.Tensor]]:
        """The tensors that training may change, by their names in the model."""
        return checkpoint_names.trained_weights(self.model)

    def checkpoint_weights(self, *, whole: bool = False) -> Iterable[tuple[str, torch.Tensor]]:
        """What training may have changed, or the whole model, named as in the official checkpoint.

        Adapters are merged.
        """
        if whole:
            state = self._official(lora.merged_state(self.model))
            return ((name, tensor.to(self.device)) for name, tensor in state)
        if self.has_adapter:  # one layer at a time: together they would need the memory of the model
            layers = lora.merged_layers(self.model)
            return (named for name, tensor in layers for named in self._official({name: tensor}))
        return self._official(dict(checkpoint_names.trained_weights(self.model)))

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Copy named tensors into the model; a tensor that shares its memory is skipped."""
        parameters = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, tensor in weights:
                if parameters[name].data_ptr() != tensor.data_ptr():
                    parameters[name].copy_(tensor)

    def save(self, folder: Path) -> None:
        """Write what `path` opens again: an adapter in peft's format, or else a whole model."""
        if self.has_adapter:
            lora.save_adapter(self.model, folder)
        else:
            self.export(folder)

    def export(self, folder: Path) -> None:
        """Write config, tokenizer, processor, model card and weights in the family's official layout.

        An adapter is merged into its base. Of an omni model the talker is left out: the folder loads as a
        thinker in transformers and in vLLM.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self._other_files.items():
            (folder / name).write_bytes(content)
        config = json.loads(self._other_files["config.json"]) | self.exported
        (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
        (folder / "README.md").write_text(self.card, encoding="utf-8")
        weights = in_own_memory(dict(self._official(lora.merged_state(self.model))))
        save_torch_state_dict(weights, folder)

    # --- helpers -------------------------------------------------------------------------------

    def _opened(self, **options: Any) -> Any:
        """The model with the folder's weights, frozen as asked. Raises ValueError."""
        model = open_complete(
            self.model_class, self.path, dtype=self.dtype, attn_implementation=self.attention, **options
        )
        return self._set_up(aligned(model))

    def _set_up(self, model: Any) -> Any:
        """A model as transformers made it, frozen as asked and with the adapter."""
        if self.attention == "sdpa":
            model.get_decoder().set_attn_implementation(BRANCHING)
        model.requires_grad_(True)
        components = self.components(model)
        lora.check_freeze(self.freeze, components)
        for module in (*self.unused(model), *(m for part in self.freeze for m in components[part])):
            module.requires_grad_(False)
        self._put_adapter(model)
        if self.device.type == "cpu":
            use_onednn(model)
        return model

    def _adapter(self, rank: int, alpha: float | None, targets: Sequence[str] | None) -> lora.Adapter | None:
        """The recipe's adapter, if it has one. Raises ValueError."""
        if rank < 0:
            raise ValueError(f"lora_rank is {rank}; expected the rank of an adapter, or 0 for none")
        if not rank:
            return None
        blank = self.blank_of(self.read_config(self.path))
        layers = self.linear_layers(blank)
        targets = lora.targets_in(layers) if targets is None else targets
        lora.check_targets(targets, layers, self.freeze)
        lora.check_rank(rank, [blank.get_submodule(name) for target in targets for name in layers[target]])
        return lora.Adapter(rank=rank, alpha=2.0 * rank if alpha is None else alpha, targets=tuple(targets))

    def _put_adapter(self, model: Any) -> None:
        """Put the adapter, from its folder or a new one, on a model that has just been loaded."""
        layers = self.linear_layers(model)
        names = [name for target in self.adapter.targets for name in layers[target]] if self.adapter else []
        if self.adapter_folder:
            lora.open_adapter(model, self.adapter_folder, self.base)
            if self.adapter:
                lora.check_same(model, self.adapter, names, self.adapter_folder)
        elif self.adapter:
            lora.add_adapter(model, self.adapter, names, self.base)

    def _official(self, state: Mapping[str, torch.Tensor]) -> Iterable[tuple[str, torch.Tensor]]:
        return checkpoint_names.official_names(self.model, state, self.prefix)


def _findable(path: str) -> str:
    """A model's path as an adapter names it: that of a folder is absolute."""
    return str(Path(path).resolve()) if Path(path).is_dir() else path
