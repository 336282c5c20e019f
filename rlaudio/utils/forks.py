"""A user's code that forks and goes on in both processes: the copy is ended, and what forked is told so.

A copy that returns would train, write the run's folder and exit beside the run. It ends itself where its call
ends, and says so in memory that it shares with the run. No call waits for that; `late_copies` does, once for
many calls. Pools and servers of `multiprocessing`, and what `subprocess` starts, never return from their own
code, so they are left alone.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass

_STDERR = 2
_WAIT_SECONDS = 0.5  # for copies that are running still
_SLOTS = 512  # forks that are remembered
_PID = struct.Struct("q")
_NEVER_RETURN = {"multiprocessing.popen_fork", "subprocess"}  # modules whose forks are no copies


class ForkedOn(RuntimeError):
    """A call forked, and went on in the new process too."""


@dataclass(eq=False)
class _Block:
    """A call, while it is in its block, and its name from its first fork on."""

    call: object
    name: str = ""


class _Memory:
    """What a process and its copies share: by fork the copy's process id, negative until it comes back."""

    def __init__(self) -> None:
        self.pids = mmap.mmap(-1, _PID.size * _SLOTS)
        self.forks = 0
        self.pending: dict[int, _Block] = {}  # blocks that forked, by slot
        self.fresh: set[int] = set()  # slots of forks that were not waited for yet
        self.came_back: list[_Block] = []  # whose copies have ended, and that were not told yet
        self.ending: set[int] = set()  # process ids of copies that are not reaped yet

    def new_slot(self, block: _Block) -> int:
        slot, self.forks = self.forks % _SLOTS, self.forks + 1
        _PID.pack_into(self.pids, slot * _PID.size, 0)
        block.name = block.name or str(block.call)
        self.pending[slot] = block
        self.fresh.add(slot)
        return slot

    def write(self, slot: int, pid: int) -> None:
        if self._pid(slot) <= 0:  # else a copy of the copy was here
            _PID.pack_into(self.pids, slot * _PID.size, pid)

    def wait(self) -> None:
        """Until every copy of forks since the last wait came back or is gone, or for half a second."""
        slots, self.fresh = self.fresh, set()
        until = time.monotonic() + _WAIT_SECONDS
        while any(map(self._may_come_back, slots)) and time.monotonic() < until:
            time.sleep(0.005)

    def look(self) -> None:
        """Find the copies that came back, and reap those that are gone."""
        for slot, block in list(self.pending.items()):
            if (pid := self._pid(slot)) > 0 and self.pending.pop(slot, None) is not None:
                self.came_back.append(block)
                self.ending.add(pid)
        self.ending -= {pid for pid in list(self.ending) if _reaped(pid)}

    def _may_come_back(self, slot: int) -> bool:
        pid = self._pid(slot)
        return pid == 0 or (pid < 0 and _is_running(-pid))

    def _pid(self, slot: int) -> int:
        return int(_PID.unpack_from(self.pids, slot * _PID.size)[0])


_memory = _Memory()
_block: ContextVar[_Block | None] = ContextVar("block", default=None)
_forking = threading.local()  # `slot` of the fork that this thread makes
_copy_slot: int | None = None  # of the fork that made this process, where it is a copy


@contextmanager
def one_process(call: object) -> Iterator[None]:
    """Within the block a process that forks goes on alone: its copy is ended at the end of the block.

    Raises ForkedOn where such a copy has ended already; `late_copies` tells of the others.
    """
    pid, block = os.getpid(), _Block(call)
    token = _block.set(block)
    try:
        yield
    finally:
        if os.getpid() != pid:
            _end(call)
        _block.reset(token)
        block.call = None  # it may hold much
        _memory.look()
        if block in _memory.came_back:
            _memory.came_back.remove(block)
            raise ForkedOn(_told("it"))


def late_copies() -> list[str]:
    """What is to be told of calls whose copies came back after them; each is told once."""
    _memory.wait()
    _memory.look()
    blocks, _memory.came_back = _memory.came_back, []
    return [_told(block.name) for block in blocks]


def _told(name: str) -> str:
    return (
        f"{name} forked, and went on in the new process too, which was ended; expected os._exit there, or "
        "subprocess or multiprocessing instead of os.fork"
    )


def _end(call: object) -> None:
    if _copy_slot is not None:
        _memory.write(_copy_slot, os.getpid())
    with suppress(OSError):
        os.write(_STDERR, f"{call} forked, and went on in the new process, which ends here\n".encode())
    os._exit(1)


def _reaped(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:  # by somebody else
        return True


def _is_running(pid: int) -> bool:
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:  # a copy of the copy, or reaped
        return _exists(pid)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# --- forks ---------------------------------------------------------------------------------------


def _before_fork() -> None:
    block = _block.get()
    _forking.slot = None
    if block is None or sys._getframe(1).f_globals.get("__name__") in _NEVER_RETURN:
        return
    _forking.slot = _memory.new_slot(block) if _copy_slot is None else _copy_slot


def _after_fork_in_child() -> None:
    global _copy_slot, _memory
    _copy_slot = _forking.slot
    if _copy_slot is None:  # a process of its own, which may fork
        _memory = _Memory()
    else:
        _memory.write(_copy_slot, -os.getpid())


os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)
