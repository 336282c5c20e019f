"""A key-value cache whose next token does not copy all that came before it."""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

SPARE = 0.25  # room for so much more is made whenever the cache has to move


class GrowingLayer(DynamicLayer):
    """Keys and values of one layer, [B, heads, tokens, width], at the front of buffers with room to spare."""

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Begin with the first keys and values, of which there may never be more."""
        super().lazy_initialization(key_states, value_states)
        self.keys, self.values = key_states[:, :, :0], value_states[:, :, :0]
        self._rooms = {"keys": self.keys, "values": self.values}

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Add keys and values of new tokens; all of them, as views of the buffers."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys, self.values = self._append("keys", key_states), self._append("values", value_states)
        return self.keys, self.values

    def _append(self, name: str, new: torch.Tensor) -> torch.Tensor:
        held, room = getattr(self, name), self._rooms[name]
        count, total = held.shape[2], held.shape[2] + new.shape[2]
        moved = held.data_ptr() != room.data_ptr()  # rows were selected or repeated
        if moved or total > room.shape[2]:
            spare = int(SPARE * count)
            room = new.new_empty(*new.shape[:2], total + spare, new.shape[3])
            room[:, :, :count] = held
            self._rooms[name] = room
        room[:, :, count:total] = new
        return room[:, :, :total]


def new_cache() -> Cache:  # named like its file it would be taken for a model family
    """An empty cache for any number of layers."""
    return Cache(layer_class_to_replicate=GrowingLayer)
