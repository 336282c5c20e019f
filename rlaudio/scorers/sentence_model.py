"""Embeddings of texts by a model's folder: its last hidden states, averaged over the tokens of each text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

_MOST_TOKENS = 4096  # as MMAU-Pro's script asks; less where the tokenizer says so


class SentenceModel:
    """A sentence-embedding model as transformers opens it, on the CPU; no code of its folder is run."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError or ValueError where the folder holds no model that transformers knows.

        Such is NV-Embed-v2, which comes with its own code: write a .py file that opens it.
        """
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._model = AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()

    @torch.inference_mode()
    def __call__(self, texts: list[str]) -> np.ndarray:
        most = min(_MOST_TOKENS, self._tokenizer.model_max_length)
        batch = self._tokenizer(texts, padding=True, truncation=True, max_length=most, return_tensors="pt")
        hidden = self._model(**batch).last_hidden_state  # [N, T, D]
        mask = batch["attention_mask"][..., None].to(hidden.dtype)  # [N, T, 1]
        means: np.ndarray = ((hidden * mask).sum(1) / mask.sum(1).clamp(min=1.0)).numpy()  # [N, D]
        return means
