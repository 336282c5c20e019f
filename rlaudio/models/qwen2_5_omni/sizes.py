"""Sizes of Qwen2.5-Omni from a config.

The model is built on torch's meta device, where parameters have shapes and no storage, so counts are those
of the loaded model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import Qwen2_5OmniThinkerForConditionalGeneration as Thinker
from transformers.models.qwen2_5_omni.configuration_qwen2_5_omni import Qwen2_5OmniThinkerConfig

from rlaudio.models.family import resolve_model_path
from rlaudio.models.qwen2_5_omni.parts import PARTS, linear_layers
from rlaudio.models.shared import lora
from rlaudio.models.shared.chat_format import AFTER_USER, BEFORE_USER
from rlaudio.models.shared.checkpoint_files import cached_config, fetched_config
from rlaudio.models.shared.sizes import AudioTower, Decoder, ModelPart, ModelSize
from rlaudio.utils.messages import with_article

# Changes to transformers' defaults, which describe Qwen2.5-Omni-7B but for the visual tower: they give its
# output's width as its width (huggingface/transformers issue 38889). The resulting counts are the published
# ones: huggingface.co/Qwen/Qwen2.5-Omni-7B/discussions/17.
KNOWN: Mapping[str, Mapping[str, Any]] = {
    "Qwen/Qwen2.5-Omni-7B": {"vision_config": {"hidden_size": 1280}},
}


def describe(options: Mapping[str, Any]) -> ModelSize:
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
    frozen = set(PARTS if rank or opened else options.get("freeze", ()))
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


def _thinker_config(path: str) -> tuple[Any, str, Path | None]:
    """The thinker's config, where it is from, and the folder that may hold a tokenizer."""
    folder = Path(resolve_model_path(path))
    if folder.is_dir():
        return _read_config(folder / "config.json"), f"config.json in {path}", folder
    cached = cached_config(path)
    if cached:
        return _read_config(cached), f"config.json of {path}, from the hub's local cache", cached.parent
    if path in KNOWN:
        source = f"the known shape of {path}: its config is not on this machine; the hub was not asked"
        return Qwen2_5OmniThinkerConfig(**KNOWN[path]), source, None
    fetched = fetched_config(path, known=KNOWN)
    return _read_config(fetched), f"config.json of {path}, from the hub", fetched.parent


def _read_config(file: Path) -> Any:
    """The thinker's config in a config.json. Raises FileNotFoundError and ValueError."""
    if not file.is_file():
        raise FileNotFoundError(f"no {file}; expected the config of a model; name its complete folder")
    kind = json.loads(file.read_text(encoding="utf-8")).get("model_type")
    if kind not in ("qwen2_5_omni", "qwen2_5_omni_thinker"):
        raise ValueError(
            f"{file} describes {with_article(str(kind))}; expected a qwen2_5_omni; name a model of that "
            "family"
        )
    return Qwen2_5OmniThinkerConfig.from_pretrained(str(file.parent))


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
    layers = linear_layers(model)
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


def _tower(config: Any) -> AudioTower:
    return AudioTower(
        width=config.d_model,
        layers=config.encoder_layers,
        heads=config.encoder_attention_heads,
        feed_forward=config.encoder_ffn_dim,
        mels=config.num_mel_bins,
        chunk_frames=2 * config.n_window,
        output=config.output_dim,
    )
