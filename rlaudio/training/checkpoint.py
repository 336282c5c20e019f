"""Checkpoints: complete or absent, and checked when they are read."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from rlaudio.models.family import ModelFamily
from rlaudio.utils.processes import ALONE, Processes

MANIFEST = "manifest.json"  # written last; a folder without it is not a checkpoint
LEARNER = "learner-{rank}.pt"
AHEAD = "ahead-{rank}.pt"


@dataclass(frozen=True, order=True)
class Cursor:
    """How far a run has come: `step` steps of stage number `stage` are done."""

    stage: int = 0
    step: int = 0
    weights_version: int = 0  # training steps since the run began
    drawn: int = 0  # questions of this stage that were drawn
    rollouts: int = 0  # completions sampled in this stage
    tokens: int = 0  # target tokens that this stage's optimizer saw


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk whose files have been verified."""

    path: Path
    cursor: Cursor

    @property
    def model(self) -> Path:
        """The folder of its weights: a whole model, or an adapter that names its base."""
        return self.path / "model"

    def learner_state(self, rank: int = 0) -> dict[str, Any] | None:
        """What a process keeps of the stage's optimizer and value head, None at the start of a stage."""
        return self._read(LEARNER.format(rank=rank))

    def sampled_ahead(self, rank: int = 0) -> dict[str, Any] | None:
        """The completions that a process had sampled for the next step; None if it had none."""
        return self._read(AHEAD.format(rank=rank))

    def _read(self, name: str) -> dict[str, Any] | None:
        file = self.path / name
        return torch.load(file, map_location="cpu", weights_only=True) if file.exists() else None


def save_checkpoint(
    folder: Path,
    cursor: Cursor,
    family: ModelFamily,
    learner_state: dict[str, Any] | None,
    *,
    sampled_ahead: dict[str, Any] | None = None,
    processes: Processes = ALONE,
) -> Path:
    """Write a checkpoint into `folder`; all processes must call.

    The first process writes the model; each writes its part of the learner's state and the completions that
    it has sampled ahead, which cannot be sampled again from newer weights. The checkpoint is built under a
    temporary name and renamed, so a kill or a full disk leaves the older ones intact.
    Raises OSError where the disk is full.
    """
    final = folder / f"{cursor.stage}-{cursor.step:06d}"
    building = folder / f".building-{final.name}"

    def begin() -> None:
        with _complete_or_absent(building):
            family.save(building / "model")

    def complete() -> None:
        with or_absent(building):
            digests = {name: _sha256(building / name) for name in _files(building)}
            manifest: dict[str, Any] = {"cursor": asdict(cursor), "sha256": digests}
            manifest["digest"] = _digest(manifest)
            (building / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
            _sync(building)
        if final.exists():  # left by a run that was resumed from an older one
            _remove(final)
        building.rename(final)

    processes.from_first(begin)
    for name, state in ((LEARNER, learner_state), (AHEAD, sampled_ahead)):
        if state is not None:
            with or_absent(building):
                torch.save(state, building / name.format(rank=processes.rank))
    processes.wait()
    processes.from_first(complete)
    return final


def tidy(folder: Path, keep: int, spare: Path | None = None) -> None:
    """Delete all but the newest `keep` checkpoints, and unfinished ones that a killed run left.

    `spare` is a checkpoint that is kept at any age: the one from whose folder a model was opened.
    """
    for old in _folders(folder)[:-keep]:
        if old != spare:
            _remove(old)
    for left in folder.glob(".*"):
        shutil.rmtree(left)


def save_model(folder: Path, write: Callable[[Path], None]) -> None:
    """Have `write` fill the folder, complete or not at all. Raises OSError that says how to go on."""
    building = folder.with_name(f".building-{folder.name}")
    with _complete_or_absent(building):
        write(building)
        _sync(building)
    building.rename(folder)


def latest_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest checkpoint in `folder`, None if there is none.

    Raises ValueError if one of its files is missing or is not what was written; it names the one before.
    """
    checkpoints = _folders(folder)
    if not checkpoints:
        return None
    newest = checkpoints[-1]
    manifest = _read_manifest(newest / MANIFEST)
    wrong = [f"{MANIFEST} is damaged"] if manifest is None else list(_wrong_files(newest, manifest["sha256"]))
    if manifest is None or wrong:
        before = (
            f"resume from {checkpoints[-2]}" if len(checkpoints) > 1 else "begin again: there is no older one"
        )
        raise ValueError(
            f"checkpoint {newest}: {', '.join(wrong)}; expected what was written; delete this checkpoint's "
            f"folder to {before}"
        )
    return Checkpoint(newest, Cursor(**manifest["cursor"]))


@contextmanager
def _complete_or_absent(building: Path) -> Iterator[None]:
    """Empty the folder before the block, and remove it if the block could not write all of it."""
    shutil.rmtree(building, ignore_errors=True)
    with or_absent(building):
        yield


@contextmanager
def or_absent(building: Path) -> Iterator[None]:
    """Remove the folder if the block could not write all of its files."""
    try:
        yield
    except (
        OSError,
        RuntimeError,
        SafetensorError,
    ) as error:  # what torch and safetensors raise on a full disk
        shutil.rmtree(building, ignore_errors=True)
        raise OSError(
            f"could not write {building}: {error}; earlier checkpoints are whole; make room and continue "
            "with --resume"
        ) from error


def _remove(checkpoint: Path) -> None:
    """Delete a checkpoint; if killed halfway it leaves no folder that looks like a checkpoint."""
    going = checkpoint.with_name(f".removing-{checkpoint.name}")
    shutil.rmtree(going, ignore_errors=True)
    checkpoint.rename(going)
    shutil.rmtree(going)


def _read_manifest(file: Path) -> dict[str, Any] | None:
    """The manifest, None if it is not what was written."""
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
        digest = manifest.pop("digest")
    except (ValueError, KeyError, AttributeError):
        return None
    return manifest if digest == _digest(manifest) else None


def _wrong_files(checkpoint: Path, digests: Mapping[str, str]) -> Iterator[str]:
    """Which files are damaged or missing."""
    for name, digest in digests.items():
        file = checkpoint / name
        if not file.is_file() or _sha256(file) != digest:
            yield f"{name} is {'damaged' if file.is_file() else 'missing'}"


def _digest(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def latest_weights(folder: Path) -> Path | None:
    """The model of the newest checkpoint in `folder`, unread; None if there is none."""
    checkpoints = _folders(folder)
    return checkpoints[-1] / "model" if checkpoints else None


def _folders(folder: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    complete = [path.parent for path in folder.glob(f"*/{MANIFEST}") if not path.parent.name.startswith(".")]
    return sorted(complete, key=lambda path: tuple(int(part) for part in path.name.split("-")))


def _files(folder: Path) -> Iterator[str]:
    return (str(p.relative_to(folder)) for p in sorted(folder.rglob("*")) if p.is_file())


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    """Flush the files to disk before the rename publishes them."""
    for name in _files(folder):
        with (folder / name).open("rb") as file:
            os.fsync(file.fileno())
