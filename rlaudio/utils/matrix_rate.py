"""The rate at which a device multiplies matrices."""

from __future__ import annotations

import time

import torch

from rlaudio.utils.onednn_linear import linear

WIDTH = {"cpu": 1024}  # of the matrices; a GPU needs larger ones
REPEATS = 5


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second in products of square matrices, the best of a few; two for each multiplication."""
    width = WIDTH.get(device.type, 8192)
    matrix = torch.ones(width, width, dtype=dtype, device=device)
    best = float("inf")
    for _ in range(REPEATS):
        _wait(device)
        start = time.perf_counter()
        linear(matrix, matrix)
        _wait(device)
        best = min(best, time.perf_counter() - start)
    return 2 * width**3 / best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
