"""Weights at addresses that do not depend on the file that they came from.

Weights of a safetensors file are used where the file is mapped into memory, at any multiple of 8 bytes. At
some of them the product of a matrix with a single vector has other last digits on a CPU, so that a run that
goes on from a checkpoint would differ from one that was never stopped.
"""

from __future__ import annotations

from typing import Any

BYTES = 64  # as torch allocates


def aligned(model: Any) -> Any:
    """The model, its weights on a CPU copied where they do not begin at a multiple of 64 bytes."""
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.device.type == "cpu" and tensor.data_ptr() % BYTES:
            tensor.data = tensor.data.clone()
    return model
