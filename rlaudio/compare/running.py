"""Running what a comparison needs: one after another here, or side by side on several devices."""

from __future__ import annotations

import gc
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from rlaudio import pipeline
from rlaudio.compare.sharing import COMPLETE, Job, prepare
from rlaudio.config.recipe import load_recipe
from rlaudio.runs.files import write_json
from rlaudio.runs.resuming import changed_plugins
from rlaudio.training.interrupt import stop_request
from rlaudio.training.loop import StopRequested
from rlaudio.utils import launcher

logger = logging.getLogger(__name__)

STOPPED = 130  # exit status of a job that was asked to stop
POLL_SECONDS = 0.1


class Interrupted(Exception):
    """The comparison was asked to stop; what is done is kept."""


@dataclass(frozen=True)
class Failure:
    """A job that came to no end, and why."""

    place: str
    reason: str
    log: Path | None = None


def run_jobs(jobs: Sequence[Job], folder: Path, devices: Sequence[str] = ()) -> list[Failure]:
    """Do every job that is not done yet; returns those that failed, which do not stop the others.

    `devices` are values of CUDA_VISIBLE_DEVICES: each takes one job at a time, in a process of its own.
    Raises Interrupted after Ctrl-C, when the step under way is saved, ValueError under a launcher.
    """
    if launcher.size() > 1:
        raise ValueError("a comparison starts its runs itself; start it without a launcher, with --devices")
    todo = [job for job in jobs if not job.done(folder)]
    _warn_of_changed_plugins([folder / job.place for job in jobs if job not in todo], folder)
    logger.info("%d of %d parts are done", len(jobs) - len(todo), len(jobs))
    return _side_by_side(todo, folder, devices) if devices else _one_by_one(todo, folder)


def run_job(path: Path, until: pipeline.StopAfter | None) -> None:
    """Bring the run folder `path` to the end of a part, or of the whole run."""
    pipeline.run(load_recipe(path / "recipe.yaml"), path, resume=True, until=until)
    if until:
        write_json(path / COMPLETE, {"until": until})


def _warn_of_changed_plugins(done: Sequence[Path], folder: Path) -> None:
    """Runs that are done stay as they are, so those to come would be compared with another plug-in's."""
    changed = {run: files for run in done if (files := changed_plugins(run))}
    if changed:
        logger.warning(
            "%s: changed since %d of %d finished parts began: %s; they keep the old file's numbers, and what "
            "is still to be done takes the new one; put the old one back, or compare anew with another --out",
            folder,
            len(changed),
            len(done),
            ", ".join(sorted({file for files in changed.values() for file in files})),
        )


# --- one after another ---------------------------------------------------------------------------


def _one_by_one(jobs: Sequence[Job], folder: Path) -> list[Failure]:
    failures: dict[str, Failure] = {}
    for number, job in enumerate(jobs, start=1):
        if job.after in failures:
            failures[job.place] = _not_run(job)
            continue
        logger.info("[%d/%d] %s", number, len(jobs), job.place)
        log = _log_file(folder, job)
        with _logged(log):
            try:
                run_job(prepare(job, folder), job.until)
            except (StopRequested, KeyboardInterrupt) as stop:
                raise Interrupted(f"{job.place}: {stop or 'interrupted'}") from stop
            except Exception as error:  # whatever it is, it is this arm's: it must not cost the others
                logger.exception("%s failed", job.place)
                failures[job.place] = Failure(job.place, _reason(error), log)
        gc.collect()  # the next one's model needs the place of this one's
    return list(failures.values())


@contextmanager
def _logged(file: Path) -> Iterator[None]:
    """Whatever rlaudio logs goes to the file as well."""
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
    running: dict[int, _Running] = {}  # by place in `devices`: one named twice does two runs at a time
    failures: dict[str, Failure] = {}
    stopped = False
    with stop_request() as request:
        try:
            while waiting or running:
                if request.made and not stopped:
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
                for slot, one in list(running.items()):
                    if one.process.poll() is not None:
                        del running[slot]
                        if one.process.returncode == 0:
                            unfinished.discard(one.job.place)
                        elif stopped or one.process.returncode == STOPPED:
                            stopped = True  # also one that was told before it could listen
                        else:
                            failures[one.job.place] = Failure(one.job.place, _last_line(one.log), one.log)
                if stopped and not running:
                    raise Interrupted("stopped")
                time.sleep(POLL_SECONDS)
        finally:  # also after a second Ctrl-C, which does not wait
            for one in running.values():
                one.process.terminate()
                one.process.wait()
    return list(failures.values())


def _start(job: Job, folder: Path, device: str) -> _Running:
    log = _log_file(folder, job)
    path = prepare(job, folder)
    logger.info("%s on device %s", job.place, device)
    command = [sys.executable, "-m", "rlaudio.compare.running", str(path), job.until or ""]
    with log.open("ab") as file:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": device},
            start_new_session=True,  # Ctrl-C reaches it once, from here, and not from the terminal as well
        )
    return _Running(job, process, log)


def _ask_to_stop(running: Iterable[_Running]) -> None:
    for one in running:
        one.process.send_signal(signal.SIGINT)


# --- helpers -------------------------------------------------------------------------------------


def _log_file(folder: Path, job: Job) -> Path:
    file = folder / "logs" / f"{job.place.replace('/', '-')}.log"
    file.parent.mkdir(exist_ok=True)
    return file


def _not_run(job: Job) -> Failure:
    return Failure(job.place, f"not run: it begins with {job.after}, which failed")


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if not isinstance(error, ValueError | OSError) else str(error)


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "ended without a word"


def _main(path: str, until: str) -> int:
    """A job in a process of its own."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("rlaudio").setLevel(logging.INFO)
    try:
        run_job(Path(path), cast("pipeline.StopAfter | None", until or None))
    except (StopRequested, KeyboardInterrupt):
        return STOPPED
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
