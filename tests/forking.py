"""Processes without the seconds that imports take: forked from one that has imported everything."""

import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import chdir
from pathlib import Path
from subprocess import CompletedProcess

import torch

from tests.launchers import free_port

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["tests.killing", "tests.opened_before", "torch.utils.tensorboard"])


def command_line(*words: object) -> None:
    """`rlaudio WORDS`, to be forked."""
    from rlaudio.cli import main

    main(list(map(str, words)))


class Forked:
    """A call in a process of its own, as far as tests ask it what they ask a `Popen`."""

    def __init__(self, call: Callable[..., None], *arguments: object, said: Path, **environment: str) -> None:
        """What the process prints goes to the file `said`, which is `stderr` for the caller."""
        given = (call, arguments, said, os.environ | environment)
        self._process = context.Process(target=_forked, args=given)
        said.touch()
        self.stderr = said.open(encoding="utf-8")
        self._process.start()

    def poll(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.exitcode

    def kill(self) -> None:
        """End it by SIGKILL."""
        self._process.kill()
        self._process.join()

    def ended(self, seconds: float = 900.0) -> CompletedProcess:
        """How it ended, which it must within so many seconds."""
        self._process.join(seconds)
        if self.poll() is None:
            self.kill()
            raise TimeoutError(f"no end after {seconds:g} s; it said: {self.stderr.read()}")
        return CompletedProcess(self._process.name, self._process.exitcode, stderr=self.stderr.read())


def two_processes(
    call: Callable[..., None], *arguments: object, said: Path, folders: Sequence[Path] = ()
) -> list[CompletedProcess]:
    """A call in each of two processes that meet as those of torchrun do; by their ranks.

    With two folders each process works in its own, as on a machine of its own. Nobody ends a process
    whose peer has failed: it must end by itself.
    """
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "WORLD_SIZE": "2"}
    meeting |= {"LOCAL_WORLD_SIZE": "1" if folders else "2", "CUDA_VISIBLE_DEVICES": ""}
    both = []
    for rank in range(2):
        place = {"RANK": str(rank), "LOCAL_RANK": "0" if folders else str(rank)}
        with chdir(folders[rank] if folders else Path()):
            file = said.with_name(f"{said.name}-{rank}")
            both.append(Forked(call, *arguments, said=file, **meeting, **place))
    return [single.ended() for single in both]


def _forked(
    call: Callable[..., None], arguments: Sequence[object], said: Path, environment: dict[str, str]
) -> None:
    from rlaudio.utils.interrupts import end_now

    # Makes the pool of threads that did not survive the fork, which several threads at once would not.
    torch.set_num_threads(torch.get_num_threads())
    os.environ.clear()
    os.environ.update(environment)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(os.open(said, os.O_WRONLY | os.O_APPEND), stream.fileno())
    status = 0
    try:
        call(*arguments)
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:  # noqa: BLE001  as Python itself ends a program
        traceback.print_exc()
        status = 1
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    end_now(status)  # a command takes os._exit away, by which a forked process would end
