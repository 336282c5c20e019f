"""The processes of a run: one, or as many as `torchrun` or `deepspeed` started."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from rlaudio.utils import launcher

T = TypeVar("T")
TIMEOUT = timedelta(hours=12)  # the others wait while the first process labels


class PeerFailed(ConnectionError):
    """This process cannot go on, because another one could not."""

    def __init__(self) -> None:
        super().__init__(
            "another process of this run ended; its last message, above or in its log, is the reason"
        )


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
        """Every process's value, by rank; all must call. Raises PeerFailed where one has ended."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        try:
            dist.all_gather_object(values, value, group=_objects_group())
        except RuntimeError as error:  # what torch makes of a connection that is gone
            raise PeerFailed from error
        return values

    def unshare(self, part: Sequence[T]) -> list[T]:
        """The list whose parts, as `share` gave them, the processes hold; all must call."""
        shares = self.gather(part)
        return [shares[i % self.size][i // self.size] for i in range(sum(map(len, shares)))]

    def wait(self) -> None:
        """Go on when all processes have come here."""
        self.gather(None)

    def from_first(self, work: Callable[[], T]) -> T:
        """What `work` gives in the first process, in every one; all must call.

        Raises in the first what `work` raises, PeerFailed in the others.
        """
        done: list[T] = []
        try:
            if self.first:
                done.append(work())
        finally:  # also after an error: the other processes wait for this
            result = self.gather(done)[0]
        if not result:
            raise PeerFailed
        return result[0]

    def each(self, work: Callable[[], T]) -> T:
        """What `work` gives in this process, all of them at the same time.

        Raises what `work` raises, PeerFailed where it raised in another process; all must call.
        """
        results: list[T] = []
        try:
            results.append(work())
        finally:  # also after an error: the other processes wait for this
            all_done = all(self.gather(bool(results)))
        if not all_done:
            raise PeerFailed
        return results[0]

    def in_turn(self, work: Callable[[], T]) -> T:
        """What `work` gives in this process: the first does it first, and the others find what it made.

        Second comes the first process of every other machine, which may not see the first one's files.
        Raises what `work` raises, PeerFailed where it raised in another process; all must call.
        """
        results: list[T] = []
        turn_here = 0 if self.first else 1 if launcher.local_rank() == 0 else 2
        for turn in range(3):
            done = False
            try:
                if turn == turn_here:
                    results.append(work())
                done = True
            finally:  # also after an error: the other processes wait for this
                all_done = all(self.gather(done))
            if not all_done:
                raise PeerFailed
        return results[0]


ALONE = Processes()


def join() -> Processes:
    """The processes that the launcher started, from its environment; one process without a launcher.

    On a machine with GPUs each process takes the one that the launcher gave it.
    """
    if launcher.size() == 1:
        return ALONE
    if not dist.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(_gpu_number())
        dist.init_process_group(backend(), timeout=TIMEOUT)
    return Processes(launcher.rank(), launcher.size())


def leave() -> None:
    """Close the connection to the other processes, at the end of a run.

    A process that is alone does so when it ends: engines inside it use the same process groups, also after
    this run.
    """
    if launcher.size() == 1:
        atexit.register(_close_groups)
    else:
        _close_groups()


def outlast_first() -> None:
    """Return when the first process has ended, or at once in the first.

    The first process reports for all why a run ends; a launcher that sees another process end sooner may
    kill it before that.
    """
    if launcher.rank():
        with suppress(PeerFailed):
            Processes(launcher.rank(), launcher.size()).gather(None)


def backend() -> str:
    """How tensors travel: on GPUs by NCCL, on the CPU by gloo."""
    return "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"


def visible_gpus() -> list[str]:
    """The GPUs that this process sees, as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named:
        return [name.strip() for name in named.split(",")]
    return [str(number) for number in range(torch.cuda.device_count())]


def _gpu_number() -> int:
    """Number of this process's GPU. Raises ValueError where the machine has too few."""
    number, gpus = launcher.local_rank(), torch.cuda.device_count()
    if number >= gpus:
        raise ValueError(
            f"this is process {number + 1} on a machine with {gpus} GPUs; expected a GPU for each; start at "
            f"most {gpus} here (torchrun --nproc_per_node {gpus}), or hide the GPUs: CUDA_VISIBLE_DEVICES="
        )
    return number


_groups: dict[str, Any] = {}


def _objects_group() -> Any:
    """A group for Python objects, over gloo: they need not pass through a GPU."""
    if "objects" not in _groups:
        _groups["objects"] = dist.new_group(backend="gloo", timeout=TIMEOUT)
    return _groups["objects"]


def _close_groups() -> None:
    if dist.is_initialized():
        _groups.clear()
        dist.destroy_process_group()
