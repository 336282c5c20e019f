"""The processes of a run: one, or as many as `torchrun` or `deepspeed` started."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

T = TypeVar("T")
PATIENCE = timedelta(hours=12)  # the others wait while the first process labels and evaluates


@dataclass(frozen=True)
class Processes:
    """This process among its peers. What is gathered must be picklable and stays on the CPU."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes the run folder."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """This process's part of a list that all processes hold: every `size`-th item."""
        return items[self.rank :: self.size]

    def gather(self, value: T) -> list[T]:
        """Every process's value, by rank; all must call."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value, group=_objects_group())
        return values

    def wait(self) -> None:
        """Go on when all processes have come here."""
        self.gather(None)


ALONE = Processes()


def join() -> Processes:
    """The processes that the launcher started, from its environment; one process without a launcher."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return ALONE
    if not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
    return Processes(int(os.environ["RANK"]), size)


_groups: dict[str, Any] = {}


def _objects_group() -> Any:
    """A group for Python objects, over gloo: they need not pass through a GPU."""
    if "objects" not in _groups:
        _groups["objects"] = dist.new_group(backend="gloo", timeout=PATIENCE)
    return _groups["objects"]
