"""Runs that die by SIGKILL at a chosen moment, in processes forked from one that has imported everything."""

import contextlib
import os
import signal
import sys
import time
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from rlaudio import pipeline
from rlaudio.config.recipe import load_recipe
from rlaudio.runs.folder import RunFolder
from tests.forking import context

WRITING = os.O_WRONLY | os.O_RDWR


@dataclass(frozen=True)
class Moment:
    """A change to a run's folder: a file opened for writing, renamed into its place, or removed."""

    event: str
    path: str  # relative to the folder
    after: bool = False  # the process dies at the next change after this one, not before it

    def __str__(self) -> str:
        return f"{'after' if self.after else 'before'} {self.event} {self.path}"


def run(
    recipe_file: Path, out: Path, dies: Moment | None = None, overrides: tuple[str, ...] = ()
) -> list[Moment]:
    """Begin or resume a run in a process of its own; all changes that it made to its folder, in their order.

    With `dies` the process kills itself at that moment. Raises AssertionError if it ended in another way.
    """
    seen = out.with_name(f"{out.name}.changes")
    process = context.Process(target=_run, args=(recipe_file, out, dies, overrides, seen))
    process.start()
    process.join()
    wanted = -signal.SIGKILL if dies else 0
    assert process.exitcode == wanted, f"{out}: exit code {process.exitcode}, wanted {wanted} {dies or ''}"
    rows = [line.split("\t") for line in seen.read_text().splitlines()]
    return [Moment(event, path) for event, path in rows]


def hold(path: Path) -> BaseProcess:
    """A process that holds a new run's folder until it is killed."""
    ready = context.Event()
    process = context.Process(target=_hold, args=(path, ready))
    process.start()
    assert ready.wait(300), "the process did not come that far"
    return process


def _hold(path: Path, ready: Any) -> None:
    with RunFolder.create(path, "name: first\n"):
        ready.set()
        time.sleep(3600)


def _run(recipe_file: Path, out: Path, dies: Moment | None, overrides: tuple[str, ...], seen: Path) -> None:
    import torch

    torch.set_num_threads(1)
    with contextlib.suppress(FileNotFoundError):
        seen.unlink()
    log = os.open(seen, os.O_WRONLY | os.O_CREAT)
    folder, reached = f"{out.resolve()}/", False

    def watch(event: str, arguments: tuple) -> None:
        nonlocal reached
        path = _changed(event, arguments)
        if path is None or not path.startswith(folder):
            return
        if reached:
            os.kill(os.getpid(), signal.SIGKILL)
        change = Moment(event, path.removeprefix(folder))
        if dies and (change.event, change.path) == (dies.event, dies.path):
            if not dies.after:
                os.kill(os.getpid(), signal.SIGKILL)
            reached = True
        os.write(log, f"{change.event}\t{change.path}\n".encode())

    sys.addaudithook(watch)
    pipeline.run(load_recipe(recipe_file, overrides), out, resume=(out / "recipe.yaml").exists())


def _changed(event: str, arguments: tuple) -> str | None:
    """The path that an audit event is about to change."""
    if event == "os.rename":
        return os.fspath(arguments[1])
    if event in ("os.remove", "os.rmdir", "os.mkdir"):
        return os.fspath(arguments[0])
    if event == "open" and isinstance(arguments[0], str) and arguments[2] & WRITING:
        return arguments[0]
    return None
