"""The jobs of a comparison: one after another in this process, or side by side on several devices."""

from __future__ import annotations

import gc
import logging
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rlaudio.compare.sharing import Job, prepare
from rlaudio.config.recipe import Recipe, load_recipe
from rlaudio.runs.copying import mark_complete
from rlaudio.runs.parts import StopAfter
from rlaudio.runs.places import RECIPE
from rlaudio.runs.resuming import changed_plugins
from rlaudio.training.interrupt import stop_signal
from rlaudio.training.loop import StopRequested
from rlaudio.utils import launcher

logger = logging.getLogger(__name__)

STOPPED = 130  # exit status of `rlaudio run` after Ctrl-C
POLL_SECONDS = 0.1


class Interrupted(Exception):
    """The comparison was asked to stop; what is done is kept."""


@dataclass(frozen=True)
class Failure:
    """A job that did not finish, and why."""

    place: str
    reason: str
    log: Path | None = None


class RunRecipe(Protocol):
    """Runs a recipe in a folder, to the end of a part or of the whole run."""

    def __call__(self, recipe: Recipe, out: Path, *, resume: bool, until: StopAfter | None) -> object: ...


def run_jobs(jobs: Sequence[Job], folder: Path, run: RunRecipe, devices: Sequence[str] = ()) -> list[Failure]:
    """Do every job that is not done yet; returns those that failed, which do not stop the others.

    Without `devices` the jobs run here by `run`, one after another. `devices` are values of
    CUDA_VISIBLE_DEVICES: on each one job at a time runs in its own process, by `rlaudio run`.
    Raises Interrupted after Ctrl-C, when the current step is saved, ValueError under a launcher.
    """
    if launcher.size() > 1:
        raise ValueError("a comparison starts its runs itself; start it without a launcher, with --devices")
    todo = [job for job in jobs if not job.done(folder)]
    _warn_of_changed_plugins([folder / job.place for job in jobs if job not in todo], folder)
    logger.info("%d of %d parts are done", len(jobs) - len(todo), len(jobs))
    return _side_by_side(todo, folder, devices) if devices else _in_turn(todo, folder, run)


def _warn_of_changed_plugins(done: Sequence[Path], folder: Path) -> None:
    """Runs that are done are not run again, so they would be compared with runs of another plug-in."""
    changed = {run: files for run in done if (files := changed_plugins(run))}
    if changed:
        logger.warning(
            "%s: changed since %d of %d finished parts began: %s; they keep the old file's numbers, and what "
            "is still to be done takes the new one; put the old one back, or start a new comparison with "
            "another --out",
            folder,
            len(changed),
            len(done),
            ", ".join(sorted({file for files in changed.values() for file in files})),
        )


# --- one after another ---------------------------------------------------------------------------


def _in_turn(jobs: Sequence[Job], folder: Path, run: RunRecipe) -> list[Failure]:
    failures: dict[str, Failure] = {}
    for number, job in enumerate(jobs, start=1):
        if job.after in failures:
            failures[job.place] = _not_run(job)
            continue
        logger.info("[%d/%d] %s", number, len(jobs), job.place)
        log = _log_file(folder, job)
        with _logged(log):
            try:
                path = prepare(job, folder)
                run(load_recipe(path / RECIPE), path, resume=True, until=job.until)
                _mark_complete(job, folder)
            except (StopRequested, KeyboardInterrupt) as stop:
                raise Interrupted(f"{job.place}: {stop or 'interrupted'}") from stop
            except Exception as error:  # noqa: BLE001  an arm's plug-ins may raise anything; the other arms go on
                failures[job.place] = Failure(job.place, _reason(error), log)
                logger.error("%s failed: %s", job.place, _reason(error))
                with log.open("a", encoding="utf-8") as file:
                    traceback.print_exception(error, file=file)
        gc.collect()  # frees this job's model before the next one is loaded
    return list(failures.values())


@contextmanager
def _logged(file: Path) -> Iterator[None]:
    """Write what rlaudio logs to the file as well."""
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger("rlaudio")
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()


# --- on several devices --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Running:
    job: Job
    process: subprocess.Popen[bytes]
    log: Path


def _side_by_side(jobs: Sequence[Job], folder: Path, devices: Sequence[str]) -> list[Failure]:
    waiting = list(jobs)
    unfinished = {job.place for job in jobs}
    running: dict[int, _Running] = {}  # by index in `devices`: a device named twice does two at a time
    failures: dict[str, Failure] = {}
    stopped = False
    with stop_signal() as stop:
        try:
            while waiting or running:
                if stop.received and not stopped:
                    stopped = True
                    _ask_to_stop(running.values())
                for job in [job for job in waiting if job.after in failures]:
                    waiting.remove(job)
                    failures[job.place] = _not_run(job)
                for slot in [slot for slot in range(len(devices)) if slot not in running and not stopped]:
                    ready = next((job for job in waiting if job.after not in unfinished), None)
                    if ready:
                        waiting.remove(ready)
                        try:
                            running[slot] = _start(ready, folder, devices[slot])
                        except (OSError, ValueError) as error:
                            failures[ready.place] = Failure(ready.place, _reason(error))
                for slot, active in list(running.items()):
                    status = active.process.poll()
                    if status is None:
                        continue
                    del running[slot]
                    if status == 0:
                        _mark_complete(active.job, folder)
                        unfinished.discard(active.job.place)
                    elif stopped or status == STOPPED:
                        stopped = True  # also a process that was signalled before it handled signals
                    else:
                        place = active.job.place
                        failures[place] = Failure(place, _last_line(active.log), active.log)
                if stopped and not running:
                    raise Interrupted("stopped")
                time.sleep(POLL_SECONDS)
        finally:  # also after a second Ctrl-C, which does not wait
            for active in running.values():
                active.process.terminate()
                active.process.wait()
    return list(failures.values())


def _start(job: Job, folder: Path, device: str) -> _Running:
    log = _log_file(folder, job)
    path = prepare(job, folder)
    logger.info("%s on device %s", job.place, device)
    command = [sys.executable, "-m", "rlaudio", "--debug", "run", str(path / RECIPE)]
    command += ["--out", str(path), "--resume", *(("--until", job.until) if job.until else ())]
    with log.open("ab") as file:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": device},
            start_new_session=True,  # Ctrl-C is sent to it from here alone, not from the terminal as well
        )
    return _Running(job, process, log)


def _ask_to_stop(running: Iterable[_Running]) -> None:
    for active in running:
        active.process.send_signal(signal.SIGINT)


# --- helpers -------------------------------------------------------------------------------------


def _log_file(folder: Path, job: Job) -> Path:
    file = folder / "logs" / f"{job.place.replace('/', '-')}.log"
    file.parent.mkdir(exist_ok=True)
    return file


def _mark_complete(job: Job, folder: Path) -> None:
    """A part of a run has no summary that would say so; a whole run has."""
    if job.until:
        mark_complete(folder / job.place, job.until)


def _not_run(job: Job) -> Failure:
    return Failure(job.place, f"not run: it starts from {job.after}, which failed")


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if not isinstance(error, ValueError | OSError) else str(error)


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "ended without output"
