"""The protocol of a model family: it makes prompts, trains, and feeds a rollout engine.

A new family is one file, or a folder, with one class that has these methods.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from rlaudio.models.shared.branching import Branching
from rlaudio.models.shared.capped_head import CappedHead
from rlaudio.prompts.builder import PromptMaker
from rlaudio.types import Prompt


@dataclass(frozen=True, eq=False)
class EnginePrompt:
    """A prompt for an engine that expands audio placeholders itself and takes features."""

    token_ids: list[int]  # one placeholder a clip
    audio: Mapping[str, torch.Tensor]  # the prompt's features under vLLM's names for them; empty: text alone


class PromptFamily(PromptMaker, Protocol):
    """Makes prompts: tokenizer and audio front end.

    Prompts are made here and nowhere else: training and every rollout engine consume the same token
    ids and the same features.
    """

    tokenizer: Any
    feature_extractor: Any
    forbidden_token_ids: tuple[int, ...]  # media placeholders: never sampled, never in the normaliser
    stop_token_ids: tuple[int, ...]
    min_clip_seconds: float  # of the class: shorter clips are refused by `encode_prompt` and found by audits

    def encode_completion(self, text: str) -> np.ndarray:
        """Token ids [C] of an answer, the stop token at the end."""

    def decode(self, token_ids: Sequence[int] | np.ndarray) -> str:
        """Text of a completion, special tokens left out."""

    def token_texts(self, token_ids: Sequence[int] | np.ndarray) -> tuple[str, ...]:
        """The text of each token, empty for special tokens."""


class TrainableFamily(Protocol):
    """Trains: the model's weights, or those of an adapter on it; which of the two the family decides."""

    path: str
    device: torch.device
    dtype: torch.dtype

    @property
    def model(self) -> torch.nn.Module:
        """The weights, loaded on first use."""

    @property
    def has_adapter(self) -> bool:
        """Whether there is an adapter on the model in `path`."""

    def embed(self, token_ids: torch.Tensor, prompts: Sequence[Prompt] = ()) -> torch.Tensor:
        """Input embeddings [B, T, d] of token ids [B, T], the audio of `prompts` in place, in their order.

        For `hidden` of the same family, which may take more of a token than d numbers.
        """

    def hidden(
        self,
        embeddings: torch.Tensor,
        positions: torch.Tensor,
        mask: torch.Tensor | Branching | None,
        cache: Any = None,
    ) -> torch.Tensor:
        """Last hidden states [B, T, d]; a given cache is extended.

        What a token attends to is given by an additive mask [B, 1, T, S], or for training by a `Branching`
        with B = 1, whose `visible` is such a mask for families that do not support it. Without either a
        token attends to itself and the tokens before it, and the cache is empty.
        """

    @property
    def packs_prompts(self) -> bool:
        """Whether `hidden` takes a `Branching` together with an empty cache, and makes no mask of it."""

    def new_cache(self) -> Any:
        """An empty key-value cache for `hidden`."""

    @property
    def head(self) -> torch.nn.Linear | CappedHead:
        """The output projection, hidden states [..., d] to logits [..., V]; it may have an adapter."""

    def named_weights(self) -> Iterable[tuple[str, torch.Tensor]]:
        """The tensors that training may change, by their names in the model."""

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Copy named tensors into the model; a tensor that shares its memory is skipped."""

    def frozen_copy(self, folder: Path | None = None) -> ModelFamily:
        """The model as it is now, or as `save` wrote it into `folder`, with weights that do not change.

        A reference policy; weights that do not train may be shared with it.
        """

    def trained_copy(self) -> ModelFamily:
        """The same model with separate weights that train as these do, and may be sharded (ZeRO-3)."""

    def save(self, folder: Path) -> None:
        """Write what `path` opens to the same model: all of it, or an adapter and the name of its base."""

    def export(self, folder: Path) -> None:
        """Write an ordinary Hugging Face folder that loads without rlaudio and peft, adapters merged."""


class EngineFamily(Protocol):
    """Feeds a rollout engine: prompts and weights in the engine's form."""

    def engine_prompt(self, prompt: Prompt) -> EnginePrompt:
        """The same prompt for vLLM; not needed for a family that vLLM does not support."""

    def checkpoint_weights(self, *, whole: bool = False) -> Iterable[tuple[str, torch.Tensor]]:
        """What training may have changed, or the whole model: adapters merged, named as in a checkpoint."""


class ModelFamily(PromptFamily, TrainableFamily, EngineFamily, Protocol):
    """A tokenizer, an audio front end and a model that belong together; its option `path` names a folder."""


def special_tokens(tokenizer: Any) -> frozenset[str]:
    """The texts that a tokenizer reads as control tokens; none where it does not say."""
    named = getattr(tokenizer, "all_special_tokens", ())
    added = getattr(tokenizer, "added_tokens_decoder", {})
    if not isinstance(added, Mapping):  # mistral_common's has a method of that name, which raises
        added = {}
    return frozenset(filter(None, [*named, *(t.content for t in added.values() if t.special)]))


def additive_mask(allowed: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Float mask of a bool one: 0 where True, the dtype's minimum elsewhere.

    Eager attention adds the mask to its scores, so a bool mask would be wrong there without an error.
    """
    mask = torch.zeros(allowed.shape, dtype=dtype, device=allowed.device)
    return mask.masked_fill_(~allowed, torch.finfo(dtype).min)
