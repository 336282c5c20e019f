"""Whether a new run may take a folder, and the lock by which one process holds it.

A run takes a folder that is empty, or that another run began in before it computed anything.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from rlaudio.runs.files import read_json, read_rows, unfinished
from rlaudio.runs.places import (
    ANSWERS,
    CHECKPOINTS,
    CLIPS,
    DATA,
    DIGESTS,
    FINAL,
    INPUTS,
    LABEL_TABLES,
    LABELS,
    LOCK,
    METRICS,
    MODELS,
    PAGE,
    PLUGINS,
    PROFILE,
    RECIPE,
    REFERENCE,
    REPLAY,
    ROLLOUTS,
    SAMPLES,
    SAMPLES_INDEX,
    STAMPS,
    SUMMARY,
    TENSORBOARD,
    TIMINGS,
    VERSIONS,
    is_run,
)
from rlaudio.utils.bounded_reading import open_to_append
from rlaudio.utils.file_locks import try_lock

EVENTS = "events.out.tfevents.*"
# All files of a run that has computed nothing yet:
_BEGINNING = frozenset({RECIPE, VERSIONS, DIGESTS, DATA, PLUGINS, INPUTS, STAMPS, TIMINGS, TENSORBOARD})
# What a run computes, whole or in part:
_COMPUTED = (
    *(MODELS, LABELS, LABEL_TABLES, ANSWERS, CHECKPOINTS, REFERENCE, METRICS, ROLLOUTS, REPLAY, PROFILE),
    *(FINAL, SAMPLES, CLIPS, SUMMARY, PAGE),
)
# Of that, what is there no longer than an instant before digests.json has its digests:
_DIGESTED = (LABEL_TABLES, f"{ANSWERS}/*.json", FINAL, SAMPLES_INDEX)
# What a resume compares with, and keys that each of these files has in any run:
_TO_COMPARE: Mapping[str, set[str]] = {
    VERSIONS: {"rlaudio"},
    INPUTS: {"recipe"},
    DATA: {"train"},
}
# The keys by which those of them are known that a new run removes:
_FIRST_KEYS: Mapping[str, set[str]] = {
    TIMINGS: {"stage", "step"},
    DATA: {"train"},
    DIGESTS: set(),
    PLUGINS: set(),
    INPUTS: {"recipe"},
}


def check_place(path: Path) -> None:
    """Raise the OSError with which `RunFolder.create` would refuse `path`, and leave nothing there."""
    if path.is_dir():
        if (path / LOCK).exists():
            take_lock(path).close()
        refuse_contents(path)
    check_writable(path)


def check_writable(path: Path) -> None:
    """Raise OSError where nothing can be written to the folder `path`, and leave nothing there."""
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    try:
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        raise type(error)(f"{path}: cannot be written to ({error}); choose another with --out") from error


def take_lock(path: Path) -> TextIO:
    """The open lock file of `path`. The kernel releases the lock when the process ends, however it ends.

    Raises BlockingIOError while another process holds it, ValueError where something else has its name.
    """
    file = _open_lock(path)
    while not _is_at(file, path / LOCK):  # `held` removed it after it was opened: its lock guards nothing
        file.close()
        file = _open_lock(path)
    file.truncate(0)
    file.write(f"process {os.getpid()} on {os.uname().nodename}\n")
    file.flush()
    return file


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Lock a folder, made where there is none, while the block writes to it; no lock file is left.

    Raises OSError where it cannot be written, BlockingIOError while another process holds it.
    """
    check_writable(path)
    is_new = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    with take_lock(path):
        try:
            yield
        finally:
            if not is_run(path):
                (path / LOCK).unlink(missing_ok=True)
            if is_new:
                with suppress(OSError):  # something is in it
                    path.rmdir()


def computed_nothing(path: Path) -> bool:
    """Whether the folder holds nothing that a run computes, whatever else is in it."""
    return not any((path / name).exists() for name in _COMPUTED)


def gives_way(path: Path) -> bool:
    """Whether the folder holds no more than the files of a run that has just begun, and nothing foreign."""
    beginning = {*_BEGINNING, LOCK, *(unfinished(path / name).name for name in _BEGINNING)}
    return not path.is_dir() or beginning.issuperset(entry.name for entry in path.iterdir())


def refuse_without_records(path: Path) -> None:
    """Raise ValueError for a run that lacks a file by which a resume compares what it goes on from."""
    if computed_nothing(path):
        return
    missing = [name for name, keys in _TO_COMPARE.items() if _lacks(path / name, keys)]
    if _lacks_digests(path):
        missing.append(DIGESTS)
    if missing:
        raise ValueError(
            f"{path}: {', '.join(missing)} missing or emptied, without which nothing tells whether the "
            "run, its recipe and its data are as they were; put that back, or begin anew with another --out"
        )


def refuse_contents(path: Path) -> None:
    """Raise FileExistsError unless a new run may be written to `path`."""
    names = sorted(e.name for e in path.iterdir() if e.name not in (LOCK, unfinished(path / RECIPE).name))
    begun = VERSIONS in names and (path / LOCK).exists() and gives_way(path)
    others = _not_of_a_beginning(path) if begun else []
    if not names or (begun and not others):
        return
    some = ", ".join((others or names)[:4]) + (", ..." if len(others or names) > 4 else "")
    raise FileExistsError(
        f"{path}: the folder holds {some}; a new run needs an empty one; "
        "continue the run in it with --resume, or choose another with --out"
    )


def _open_lock(path: Path) -> TextIO:
    """The lock file of `path`, made where there is none, locked. Raises as `take_lock`."""
    file = os.fdopen(open_to_append(path / LOCK), "a+", encoding="utf-8")
    if try_lock(file):
        return file
    file.seek(0)
    holder = file.read().strip() or "another process"
    file.close()
    raise BlockingIOError(
        f"{path}: {holder} is writing to this folder; wait for it to end, or choose another with --out"
    )


def _is_at(file: TextIO, path: Path) -> bool:
    """Whether the open file is the one of that name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _lacks_digests(path: Path) -> bool:
    """Whether digests.json is gone or emptied, or lacks those of the labels, which precede all training.

    Those of plugins.json precede everything, so the file is empty only as long as there is no plugins.json.
    """
    digests = path / DIGESTS
    if _lacks(digests, set()) or ((path / PLUGINS).exists() and read_json(digests) == {}):
        return _has_digested(path)
    has_trained_on_labels = (path / METRICS).exists() and (path / LABEL_TABLES).exists()
    return has_trained_on_labels and _lacks(digests, {LABEL_TABLES})


def _has_digested(path: Path) -> bool:
    """Whether the folder holds something of which its run has kept digests."""
    steps = [checkpoint.name.rpartition("-")[2] for checkpoint in (path / CHECKPOINTS).glob("*-*")]
    sampled = [f"{ROLLOUTS}/*-{int(step)}.jsonl" for step in steps if step.isdecimal()]  # up to a checkpoint
    return any(next(path.glob(place), None) for place in (*_DIGESTED, *sampled))


def _lacks(file: Path, keys: set[str]) -> bool:
    """Whether the file is absent or empty, or no JSON object with these keys; other damage is told later."""
    if not file.exists() or not file.stat().st_size:
        return True
    try:
        value = read_json(file)
    except (ValueError, OSError):
        return False
    return not isinstance(value, dict) or not keys <= value.keys()


def _not_of_a_beginning(path: Path) -> list[str]:
    """What has the name of a file of a run that computed nothing, and is not what a run writes there."""
    stages = _stages_of(path / TENSORBOARD)
    events = {file for stage in stages for file in stage.glob(EVENTS)}
    files = [file for file in (path / TENSORBOARD).rglob("*") if file not in events and file not in stages]
    texts = [path / name for name, keys in _FIRST_KEYS.items() if not _begins_with(path / name, keys)]
    return [str(file.relative_to(path)) for file in (*sorted(files), *texts)]


def _begins_with(file: Path, keys: set[str]) -> bool:
    """Whether the file is not there, or holds a JSON object, or rows of them, with these keys."""
    if not file.exists():
        return True
    try:
        value = read_rows(file, appended=True)[:1] if file.suffix == ".jsonl" else [read_json(file)]
    except (ValueError, OSError):
        return False
    return all(isinstance(entry, dict) and keys <= entry.keys() for entry in value)


def remove_beginning(path: Path) -> None:
    """Remove the files of a run that computed nothing, except recipe.yaml and versions.json.

    Those two are overwritten afterwards: killed in between, the folder still holds a run of that kind.
    """
    for stage in _stages_of(path / TENSORBOARD):
        remove_events(stage)
    if (path / TENSORBOARD).is_dir():
        (path / TENSORBOARD).rmdir()
    for name in (TIMINGS, DATA, DIGESTS, PLUGINS, INPUTS, STAMPS):
        (path / name).unlink(missing_ok=True)


def _stages_of(tensorboard: Path) -> list[Path]:
    return [path for path in tensorboard.iterdir() if path.is_dir()] if tensorboard.is_dir() else []


def remove_events(stage: Path) -> None:
    """Remove a stage's TensorBoard files, and its folder unless something else is in it."""
    for events in stage.glob(EVENTS):
        events.unlink()
    if stage.is_dir() and not any(stage.iterdir()):
        stage.rmdir()
