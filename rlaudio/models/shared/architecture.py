"""What a model family says of itself: its classes, its parts, and how its audio tower is run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch

from rlaudio.models.shared import lora
from rlaudio.models.shared.front_ends import ClipFeatures
from rlaudio.models.shared.prompt_encoder import MIN_CLIP_SECONDS, PromptEncoder
from rlaudio.models.shared.sizes import AudioTower, Decoder
from rlaudio.types import Prompt

Modules = Sequence[torch.nn.Module]
WITHOUT_TALKER: Mapping[str, Any] = {"enable_audio_output": False}  # of a config.json of Qwen's Omni models


class Architecture(ABC):
    """All that differs between families; `AudioFamily` has the rest."""

    model_class: ClassVar[Any]  # of transformers
    model_types: ClassVar[tuple[str, ...]]  # that a config.json may name
    prompts: ClassVar[type[PromptEncoder]]
    min_clip_seconds: float = MIN_CLIP_SECONDS
    card: ClassVar[str]  # the README of an exported folder: what opens it
    prefix: ClassVar[str] = ""  # of weights' names in the official checkpoint
    exported: ClassVar[Mapping[str, Any]] = {}  # changes to the config.json of an exported folder
    unused_name: ClassVar[str] = "fixed positions (unused)"  # of what `unused` gives, in plans
    known: ClassVar[Mapping[str, Mapping[str, Any]]] = {}  # configs of models on the hub, to plan offline

    model: Any
    device: torch.device
    dtype: torch.dtype

    @staticmethod
    @abstractmethod
    def components(model: Any) -> dict[str, Modules]:
        """The modules of each part that `freeze` and `lora_targets` name: tower, projector, language model.

        A part that stands within another, as a router, comes before it.
        """

    @staticmethod
    @abstractmethod
    def unused(model: Any) -> Modules:
        """Modules that audio and text do not reach, and those whose weights never train."""

    @abstractmethod
    def run_tower(self, clips: Sequence[ClipFeatures]) -> torch.Tensor:
        """Audio embeddings [audio tokens of all clips, d] in the order of the clips."""

    @abstractmethod
    def engine_audio(self, prompt: Prompt) -> dict[str, torch.Tensor]:
        """The features of a prompt's clips under vLLM's names for them."""

    @staticmethod
    @abstractmethod
    def tower_shape(config: Any) -> AudioTower:
        """The shape of the audio tower that a model's config describes, for plans."""

    @staticmethod
    def decoder_shape(config: Any) -> Decoder:
        """The shape of the language model that a text config describes, for plans."""
        experts = getattr(config, "num_experts", 0)
        feed_forward = config.num_experts_per_tok * config.moe_intermediate_size if experts else None
        head_width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return Decoder(
            width=config.hidden_size,
            layers=config.num_hidden_layers,
            heads=config.num_attention_heads,
            kv_heads=config.num_key_value_heads,
            head_width=head_width,
            feed_forward=feed_forward or config.intermediate_size,
            vocabulary=config.vocab_size,
            router=experts * config.hidden_size,
        )

    # --- what follows from it ------------------------------------------------------------------

    @classmethod
    def read_config(cls, folder: str | Path) -> Any:
        """The config of `model_class` in a folder."""
        return cls.model_class.config_class.from_pretrained(str(folder))

    @classmethod
    def blank_of(cls, config: Any) -> Any:
        """A model of that config on torch's meta device: names and shapes, no memory."""
        with torch.device("meta"):
            return cls.model_class(config)

    @classmethod
    def linear_layers(cls, model: Any) -> dict[str, list[str]]:
        """Full names of a model's linear layers by their name in `lora_targets`."""
        return lora.linear_layers(model, cls.components(model), main="language_model")
