"""What rlaudio asks of a model family. A new family is one file with one class that offers this."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from rlaudio.models.shared.branching import Branching
from rlaudio.types import Clip, Prompt, Question

TINY_FOLDER = Path(__file__).parent / "tiny"


@dataclass(frozen=True, eq=False)
class EnginePrompt:
    """A prompt for an engine that puts audio placeholders in itself and takes features."""

    token_ids: list[int]  # one placeholder a clip
    audio: Mapping[str, torch.Tensor]  # the prompt's features under vLLM's names for them; empty: text alone


class ModelFamily(Protocol):
    """A tokenizer, an audio front end and a model that belong together; its option `path` names a folder.

    The model's weights train, or those of an adapter on it; which of the two is the family's own affair.

    Prompts are made here and nowhere else: training and every rollout engine consume the same token
    ids and the same features.
    """

    path: str
    device: torch.device
    dtype: torch.dtype
    tokenizer: Any
    feature_extractor: Any
    forbidden_token_ids: tuple[int, ...]  # media placeholders: never sampled, never in the normaliser
    stop_token_ids: tuple[int, ...]

    @property
    def model(self) -> torch.nn.Module:
        """The weights, loaded on first use."""

    @property
    def has_adapter(self) -> bool:
        """Whether an adapter comes on top of what lies in `path`."""

    def encode_prompt(
        self, question: Question, system_text: str, user_text: str, clips: Sequence[Clip]
    ) -> Prompt:
        """The prompt of one question about no clip, one or several, in their order."""

    def engine_prompt(self, prompt: Prompt) -> EnginePrompt:
        """The same prompt for vLLM; a family that vLLM has not need not offer it."""

    def encode_completion(self, text: str) -> np.ndarray:
        """Token ids [C] of an answer, the stop token at the end."""

    def decode(self, token_ids: Sequence[int] | np.ndarray) -> str:
        """Text of a completion, special tokens left out."""

    def token_texts(self, token_ids: Sequence[int] | np.ndarray) -> tuple[str, ...]:
        """The piece of text behind each token, empty for special tokens."""

    def embed(self, token_ids: torch.Tensor, prompts: Sequence[Prompt] = ()) -> torch.Tensor:
        """Input embeddings [B, T, d] of token ids [B, T], the audio of `prompts` in place, in their order."""

    def hidden(
        self,
        embeddings: torch.Tensor,
        positions: torch.Tensor,
        mask: torch.Tensor | Branching | None,
        cache: Any = None,
    ) -> torch.Tensor:
        """Last hidden states [B, T, d]; a given cache is extended.

        What a token attends to is said by an additive mask [B, 1, T, S], or for training by a `Branching`,
        whose `visible` is such a mask for families that know nothing better; B is then 1. Without either it
        attends to itself and to what stands before it, and the cache is empty.
        """

    def new_cache(self) -> Any:
        """An empty key-value cache for `hidden`."""

    @property
    def head(self) -> torch.nn.Linear:
        """The output projection, hidden states [..., d] to logits [..., V]; it may carry an adapter."""

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Copy named tensors into the model; tensors that are the model's own are left as they are."""

    def frozen_copy(self, folder: Path | None = None) -> ModelFamily:
        """The model as it is now, or as `save` wrote it into `folder`, with weights that do not change.

        A reference policy; weights that do not train may be shared with it.
        """

    def trained_copy(self) -> ModelFamily:
        """The same model with weights of its own that train as these do, and may be taken apart (ZeRO-3)."""

    def save(self, folder: Path) -> None:
        """Write what `path` opens to the same model: all of it, or an adapter and the name of its base."""

    def export(self, folder: Path) -> None:
        """Write an ordinary Hugging Face folder that loads without rlaudio and peft, adapters merged."""

    def named_weights(self) -> Iterable[tuple[str, torch.Tensor]]:
        """The tensors that training may change, by their names in the model."""

    def checkpoint_weights(self, *, whole: bool = False) -> Iterable[tuple[str, torch.Tensor]]:
        """What training may have changed, or the whole model: adapters merged, named as in a checkpoint."""


def resolve_model_path(path: str | Path) -> str:
    """Turn `tiny/NAME` into the folder of a checkpoint that ships; leave everything else as it is.

    Raises FileNotFoundError for a tiny checkpoint that does not exist.
    """
    text = str(path)
    if not text.startswith("tiny/"):
        return text
    folder = TINY_FOLDER / text.removeprefix("tiny/")
    if not folder.is_dir():
        shipped = sorted(f"tiny/{p.name}" for p in TINY_FOLDER.iterdir() if (p / "config.json").is_file())
        raise FileNotFoundError(f"no shipped model {text!r}; there are: {', '.join(shipped) or 'none'}")
    return str(folder)


def additive_mask(allowed: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Float mask of a bool one: 0 where True, the dtype's minimum elsewhere.

    Eager attention adds the mask to its scores, so a bool mask would be wrong there without an error.
    """
    mask = torch.zeros(allowed.shape, dtype=dtype, device=allowed.device)
    return mask.masked_fill_(~allowed, torch.finfo(dtype).min)
