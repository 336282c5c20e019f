"""A cache of audio embeddings, for models whose audio encoder does not train."""

from __future__ import annotations

from collections import OrderedDict

import torch


class AudioCache(OrderedDict[str, torch.Tensor]):
    """Embeddings by clip digest; `trim` drops the oldest until at most `limit` bytes are held."""

    def __init__(self, limit: int):
        super().__init__()
        self.limit = limit

    def trim(self) -> None:
        """Drop the oldest embeddings beyond the limit."""
        held = sum(tensor.nbytes for tensor in self.values())
        while held > self.limit:
            held -= self.popitem(last=False)[1].nbytes
