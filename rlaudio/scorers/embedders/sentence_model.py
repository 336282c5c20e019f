"""Embeddings of texts by a model's folder: its last hidden states, averaged over the tokens of each text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

_MOST_TOKENS = 4096  # as MMAU-Pro's script asks; less where the tokenizer says so


class SentenceModel:
    """A sentence-embedding model as transformers opens it, on the CPU; no code of its folder is run.

    It is opened at the first call, which raises OSError or ValueError where the folder holds no model that
    transformers knows. Such is NV-Embed-v2, which comes with its own code: write a .py file that opens it.
    """

    def __init__(self, *, path: Path) -> None:
        self._path = path

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors [N, D] of N texts."""
        tokenizer, model = self._opened
        most = min(_MOST_TOKENS, tokenizer.model_max_length)
        batch = tokenizer(list(texts), padding=True, truncation=True, max_length=most, return_tensors="pt")
        hidden = model(**batch).last_hidden_state  # [N, T, D]
        mask = batch["attention_mask"][..., None].to(hidden.dtype)  # [N, T, 1]
        means: np.ndarray = ((hidden * mask).sum(1) / mask.sum(1).clamp(min=1.0)).numpy()  # [N, D]
        return means

    def __str__(self) -> str:
        return f"embedder {self._path}"

    @cached_property
    def _opened(self) -> tuple[Any, Any]:
        """Tokenizer and model."""
        model = AutoModel.from_pretrained(self._path, local_files_only=True, dtype=torch.float32)
        return AutoTokenizer.from_pretrained(self._path, local_files_only=True), model.eval()
