"""A key-value cache that is not copied for every new token."""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

SPARE = 0.25  # share of the cache by which the buffers are larger whenever it is copied


class GrowingLayer(DynamicLayer):
    """Keys and values of one layer, [B, heads, tokens, width], at the front of larger buffers."""

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Use the first keys and values as buffers; often no others follow."""
        super().lazy_initialization(key_states, value_states)
        self.keys, self.values = key_states[:, :, :0], value_states[:, :, :0]
        self._buffers = {"keys": self.keys, "values": self.values}

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Add keys and values of new tokens; all of them, as views of the buffers."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys, self.values = self._append("keys", key_states), self._append("values", value_states)
        return self.keys, self.values

    def _append(self, name: str, new: torch.Tensor) -> torch.Tensor:
        held, buffer = getattr(self, name), self._buffers[name]
        count, total = held.shape[2], held.shape[2] + new.shape[2]
        replaced = held.data_ptr() != buffer.data_ptr()  # rows were selected or repeated
        if replaced or total > buffer.shape[2]:
            spare = int(SPARE * count)
            buffer = new.new_empty(*new.shape[:2], total + spare, new.shape[3])
            buffer[:, :, :count] = held
            self._buffers[name] = buffer
        buffer[:, :, count:total] = new
        return buffer[:, :, :total]


def new_cache() -> Cache:
    """An empty cache for any number of layers."""
    return Cache(layer_class_to_replicate=GrowingLayer)


def part_rows(cache: Cache, slots: torch.Tensor) -> None:
    """Make rows of a cache of one: slot s of row b gets what stands at `slots[b, s]`, int64 [B, S]."""
    layer: Any
    for layer in cache.layers:
        layer.keys, layer.values = (
            held[0].index_select(1, slots.flatten()).unflatten(1, slots.shape).transpose(0, 1)
            for held in (layer.keys, layer.values)
        )


class PlacedCache(Cache):
    """A growing cache that also knows where its tokens stand: layers with a sliding window need that."""

    def __init__(self) -> None:
        super().__init__(layer_class_to_replicate=GrowingLayer)
        self._positions: list[torch.Tensor] = []

    def place(self, positions: torch.Tensor) -> torch.Tensor:
        """The positions [B, S] of all tokens, those [B, T] of new ones added."""
        self._positions = [torch.cat([*self._positions, positions], dim=1)]
        return self._positions[0]

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep these rows alone."""
        super().batch_select_indices(indices)
        self._positions = [positions[indices] for positions in self._positions]
