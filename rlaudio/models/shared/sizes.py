"""How large a model is, part by part, from its config alone: nothing is loaded and nothing downloaded but it.

The model is built on torch's meta device, where parameters have shapes and no storage, so counts are those
of the loaded model. A family of models is described by one function here, under the name of its plug-in.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from safetensors import safe_open
from transformers import Qwen2_5OmniThinkerForConditionalGeneration as Thinker
from transformers.models.qwen2_5_omni.configuration_qwen2_5_omni import Qwen2_5OmniThinkerConfig

from rlaudio.models.family import resolve_model_path
from rlaudio.models.shared import lora
from rlaudio.models.shared.chat_format import AFTER_USER, BEFORE_USER

# What transformers' own defaults describe, but for the visual tower: they give its output's width as its
# own (huggingface/transformers issue 38889). The counts that follow are those that were published:
# huggingface.co/Qwen/Qwen2.5-Omni-7B/discussions/17.
KNOWN: Mapping[str, Mapping[str, Any]] = {
    "Qwen/Qwen2.5-Omni-7B": {"vision_config": {"hidden_size": 1280}},
}
_HUB_SECONDS = 5  # to wait for the hub


@dataclass(frozen=True)
class ModelPart:
    """A part of a model and how much of it trains."""

    name: str
    parameters: int
    trained: bool
    bytes_each: int


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """The shape of a language model of transformer blocks with gated feed-forward layers."""

    width: int
    layers: int
    heads: int
    kv_heads: int
    head_width: int
    feed_forward: int
    vocabulary: int

    @property
    def query_width(self) -> int:
        """Width of a token's queries over all heads."""
        return self.heads * self.head_width

    @property
    def kv_width(self) -> int:
        """Width of a token's keys, and of its values, over all heads."""
        return self.kv_heads * self.head_width


@dataclass(frozen=True, kw_only=True)
class Tower:
    """The shape of an audio tower: two convolutions, the second of stride 2, blocks, pooling, projector."""

    width: int
    layers: int
    heads: int
    feed_forward: int
    mels: int
    chunk_frames: int  # that a block's attention spans
    output: int

    def positions(self, frames: int) -> list[int]:
        """Positions of each chunk of a clip in the blocks."""
        whole, rest = divmod(frames, self.chunk_frames)
        return [(n - 1) // 2 + 1 for n in [self.chunk_frames] * whole + ([rest] if rest else [])]

    def tokens(self, frames: int) -> int:
        """Audio tokens of a clip in the prompt."""
        return ((frames - 1) // 2 + 1 - 2) // 2 + 1


@dataclass(frozen=True, kw_only=True)
class ModelSize:
    """Everything that a plan needs to know of a model."""

    parts: tuple[ModelPart, ...]
    decoder: Decoder
    tower: Tower
    decoder_trains: bool  # its own weights
    tower_trains: bool
    projector_trains: bool
    decoder_adapter: int  # parameters of an adapter on the language model
    tower_adapter: int
    source: str  # where the shape is from
    tokenizer: Path | None  # tokenizer.json
    prompt_text: str  # of a prompt without its audio, {system} and {user} to be filled in

    @property
    def parameters(self) -> int:
        """Of all parts."""
        return sum(part.parameters for part in self.parts)

    @property
    def trained(self) -> int:
        """Parameters that train."""
        return sum(part.parameters for part in self.parts if part.trained)

    @property
    def trained_bytes(self) -> int:
        """Bytes of the weights that train."""
        return sum(part.parameters * part.bytes_each for part in self.parts if part.trained)

    @property
    def precision(self) -> int:
        """Bytes of one number of the model itself."""
        return self.parts[0].bytes_each

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights."""
        return sum(part.parameters * part.bytes_each for part in self.parts)

    def parameters_of(self, *names: str) -> int:
        """Parameters of the named parts."""
        return sum(part.parameters for part in self.parts if part.name in names)

    @property
    def audio_trains(self) -> bool:
        """Whether a gradient is needed in tower or projector, so that clips are encoded anew every time."""
        return self.tower_trains or self.projector_trains or bool(self.tower_adapter)


def describe(use: str, options: Mapping[str, Any]) -> ModelSize:
    """The size of the model that a recipe's model section names, by plug-in and options.

    Raises ValueError for a family that nobody described, FileNotFoundError where there is no config.
    """
    if use not in FAMILIES:
        raise ValueError(
            f"the model family {use} gives no sizes; a plan can be made for: {', '.join(FAMILIES)}; "
            "add a function for it to rlaudio/models/shared/sizes.py"
        )
    return _described(use, json.dumps(dict(options), sort_keys=True, default=str))


@functools.lru_cache
def _described(use: str, options: str) -> ModelSize:
    return FAMILIES[use](json.loads(options))


def describe_qwen2_5_omni(options: Mapping[str, Any]) -> ModelSize:
    """The thinker of Qwen2.5-Omni as rlaudio loads it, talker and vocoder left out."""
    path = str(options["path"])
    adapter_folder = Path(resolve_model_path(path))
    opened = adapter_folder if lora.is_adapter(adapter_folder) else None
    config, source, folder = _thinker_config(lora.base_of(opened) if opened else path)
    with torch.device("meta"):
        model: Any = Thinker(config)
    rank = int(options.get("lora_rank", 0))
    targets = tuple(options.get("lora_targets", ())) if rank else ()
    adapters = _opened_adapter(opened) if opened else _new_adapter(model, rank, targets, options)
    frozen = set(_PARTS if rank or opened else options.get("freeze", ()))
    precision = torch.finfo(getattr(torch, options.get("dtype", "float32"))).bits // 8
    tokenizer = folder / "tokenizer.json" if folder else None
    return ModelSize(
        parts=_parts(model, frozen, precision, sum(adapters)),
        decoder=_decoder(config.text_config),
        tower=_tower(config.audio_config),
        decoder_trains="language_model" not in frozen,
        tower_trains="audio_tower" not in frozen,
        projector_trains="projector" not in frozen,
        decoder_adapter=adapters[0],
        tower_adapter=adapters[1],
        source=source,
        tokenizer=tokenizer if tokenizer and tokenizer.is_file() else None,
        prompt_text=f"{BEFORE_USER}<|audio_bos|><|audio_eos|>{{user}}{AFTER_USER}",
    )


FAMILIES: Mapping[str, Callable[[Mapping[str, Any]], ModelSize]] = {"qwen2_5_omni": describe_qwen2_5_omni}


# --- Qwen2.5-Omni --------------------------------------------------------------------------------

_PARTS = ("audio_tower", "projector", "language_model")  # as the option `freeze` names them


def _thinker_config(path: str) -> tuple[Any, str, Path | None]:
    """The thinker's config, where it is from, and the folder that may hold a tokenizer."""
    folder = Path(resolve_model_path(path))
    if folder.is_dir():
        return _read_config(folder / "config.json"), f"config.json in {path}", folder
    cached = _cached(path)
    if cached:
        return _read_config(cached), f"config.json of {path}, from the hub's local cache", cached.parent
    if path in KNOWN:
        source = (
            f"the known shape of {path}: its config is not on this machine, and nothing was asked of the hub"
        )
        return Qwen2_5OmniThinkerConfig(**KNOWN[path]), source, None
    fetched = _fetched(path)
    return _read_config(fetched), f"config.json of {path}, from the hub", fetched.parent


def _read_config(file: Path) -> Any:
    """The thinker's config in a config.json. Raises FileNotFoundError and ValueError."""
    if not file.is_file():
        raise FileNotFoundError(f"no {file}; expected the config of a model; name its complete folder")
    kind = json.loads(file.read_text(encoding="utf-8")).get("model_type")
    if kind not in ("qwen2_5_omni", "qwen2_5_omni_thinker"):
        raise ValueError(f"{file} describes a {kind}; expected a qwen2_5_omni; name a model of that family")
    return Qwen2_5OmniThinkerConfig.from_pretrained(str(file.parent))


def _cached(path: str) -> Path | None:
    try:
        found = try_to_load_from_cache(path, "config.json")
    except HFValidationError:
        return None
    return Path(found) if isinstance(found, str) else None


def _fetched(path: str) -> Path:
    try:
        return Path(hf_hub_download(path, "config.json", etag_timeout=_HUB_SECONDS))
    except (HFValidationError, OSError) as error:
        raise FileNotFoundError(
            f"model {path}: no such folder, and the hub gave no config.json under that name ({error}); "
            f"expected a folder with a config.json, a name on the hub, tiny/NAME or one of "
            f"{', '.join(KNOWN)}, whose shape is known; weights are not needed"
        ) from error


def _parts(model: Any, frozen: set[str], precision: int, adapter: int) -> tuple[ModelPart, ...]:
    tower, language = model.audio_tower, model.get_decoder()
    embeddings, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    projector, unused = _count(tower.proj), _count(model.visual) + _count(tower.audio_bos_eos_token)
    blocks = _count(language) - embeddings.numel()
    counts = {
        ("audio tower", "audio_tower"): _count(tower) - projector - _count(tower.audio_bos_eos_token),
        ("projector", "projector"): projector,
        ("language model", "language_model"): blocks,
        ("input embeddings", "language_model"): embeddings.numel(),
        ("output head", "language_model"): 0 if head is embeddings else head.numel(),
        ("visual tower (unused)", "unused"): unused,
    }
    parts = [
        ModelPart(name, count, part != "unused" and part not in frozen, precision)
        for (name, part), count in counts.items()
    ]
    if adapter:
        parts.append(ModelPart("adapter (LoRA)", adapter, True, 4))  # kept in float32, see lora.py
    return tuple(parts)


def _count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _new_adapter(
    model: Any, rank: int, targets: Sequence[str], options: Mapping[str, Any]
) -> tuple[int, int]:
    """Parameters of a new adapter on language model and audio. Raises ValueError for wrong targets."""
    if not rank:
        return 0, 0
    tower = model.audio_tower
    parts = {
        "audio_tower": [module for name, module in tower.named_children() if name != "proj"],
        "projector": [tower.proj],
        "language_model": [model.get_decoder(), model.get_output_embeddings()],
    }
    layers = lora.linear_layers(model, parts, main="language_model")
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
            sizes["audio_tower" in name] += torch.Size(file.get_slice(name).get_shape()).numel()
    return sizes[False], sizes[True]


def _decoder(config: Any) -> Decoder:
    return Decoder(
        width=config.hidden_size,
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads,
        head_width=getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
        feed_forward=config.intermediate_size,
        vocabulary=config.vocab_size,
    )


def _tower(config: Any) -> Tower:
    return Tower(
        width=config.d_model,
        layers=config.encoder_layers,
        heads=config.encoder_attention_heads,
        feed_forward=config.encoder_ffn_dim,
        mels=config.num_mel_bins,
        chunk_frames=2 * config.n_window,
        output=config.output_dim,
    )
