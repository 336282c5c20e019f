"""A cache of audio embeddings, for models whose audio encoder does not train."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from threading import Lock

import torch


class AudioCache(OrderedDict[str, torch.Tensor]):
    """Embeddings by clip digest, at most `limit` bytes of them; several threads may read and add."""

    def __init__(self, limit: int):
        super().__init__()
        self.limit = limit
        self._adding = Lock()

    def of(self, digests: Iterable[str]) -> dict[str, torch.Tensor]:
        """The embeddings of those clips that are here."""
        found = ((digest, self.get(digest)) for digest in digests)
        return {digest: embeddings for digest, embeddings in found if embeddings is not None}

    def add(self, embeddings: Mapping[str, torch.Tensor]) -> None:
        """Hold these too, and drop the oldest beyond the limit."""
        with self._adding:
            self.update(embeddings)
            held = sum(tensor.nbytes for tensor in self.values())
            while held > self.limit:
                held -= self.popitem(last=False)[1].nbytes
