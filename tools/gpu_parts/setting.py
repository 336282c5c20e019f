"""What all parts of tools/gpu_check share: device, sizes, the time that is left, how one is skipped."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from bench_rows import Figure
from bench_thinker import SECONDS
from packaging.version import Version

OLDEST = {"torch": "2.11", "transformers": "5.16.1"}


class Skip(Exception):
    """Why a step is not measured, in one sentence."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A device and how much is measured on it."""

    device: str
    small: bool
    folder: Path  # for what a part writes and nobody keeps
    deadline: float  # on the clock of time.monotonic
    found: dict[str, float] = field(default_factory=dict)  # every figure so far, by its name

    @property
    def seconds(self) -> float:
        """Of audio in a prompt."""
        return 1.0 if self.small else SECONDS

    @property
    def completions(self) -> tuple[int, ...]:
        """Lengths in tokens that are measured."""
        return (3, 6) if self.small else (24, 128, 512)

    @property
    def repeats(self) -> int:
        return 2 if self.small else 5

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()


@dataclass(frozen=True)
class Step:
    """A piece of a part: its measurement starts if `seconds` are left, and stands alone in the table."""

    part: str
    name: str
    measure: Callable[[Setting], Iterator[Figure]]
    seconds: float  # that must be left


def check_device(device: str) -> None:
    """Raise ValueError where the device is missing; it says what was found."""
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"torch {torch.__version__} sees no GPU; expected a CUDA device and a build of torch for it; "
            "--device cpu --small tries every part on the CPU"
        )


def check_versions(installed: dict[str, str]) -> None:
    """Raise ValueError where a library is older than what rlaudio can run on."""
    for name, oldest in OLDEST.items():
        if Version(installed[name]) < Version(oldest):
            raise ValueError(f"{name} {installed[name]} is installed; expected {oldest} or newer")


def free_bytes(device: str) -> float:
    """Memory that a step may still take."""
    if device == "cuda":
        torch.cuda.empty_cache()
        return float(torch.cuda.mem_get_info()[0])
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES"))


def check_memory(need: float, free: float) -> None:
    """Raise Skip where a step would not fit."""
    if need > free:
        raise Skip(f"needs {need / 1e9:.1f} GB by rlaudio's plan; {free / 1e9:.1f} GB are free")
