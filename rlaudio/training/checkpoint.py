"""Checkpoints: complete or absent, and checked when they are read.

Nothing is removed because of its place or name alone. A checkpoint is what its manifest names, file by file;
a folder that was being written holds a marker, and one that was being removed its manifest until the last.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors import SafetensorError

from rlaudio.models.family import ModelFamily
from rlaudio.runs.digests import short_digest
from rlaudio.utils.bounded_reading import read_bytes
from rlaudio.utils.processes import ALONE, Processes

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"  # written last; a folder without it is not a checkpoint
MARKER = "unfinished"  # in a folder that is being written, until it has its manifest or its name
LEARNER = "learner-{rank}.pt"
AHEAD = "ahead-{rank}.pt"
OBSERVED = "observed.json"
_LARGEST_MANIFEST = 2**28  # bytes


@dataclass(frozen=True, order=True)
class Cursor:
    """How far a run has come: `step` steps of stage number `stage` are done."""

    stage: int = 0
    step: int = 0
    weights_version: int = 0  # training steps since the run began
    drawn: int = 0  # questions of this stage that were drawn
    rollouts: int = 0  # completions sampled in this stage
    tokens: int = 0  # target tokens that this stage's optimizer saw
    tokens_before: int = 0  # those of the stages before

    def next_stage(self) -> Cursor:
        """The cursor where the stage after this one begins."""
        return Cursor(
            self.stage + 1,
            weights_version=self.weights_version,
            tokens_before=self.tokens_before + self.tokens,
        )


@dataclass(frozen=True, eq=False)
class StageState:
    """What a process keeps, beside the model, to go on within a stage; nothing where a stage begins."""

    learner: dict[str, Any] | None = None  # of the optimizer and the value head
    sampled_ahead: dict[str, Any] | None = None  # completions for the next step, of weights that are gone
    observed: dict[str, Any] | None = None  # by a curriculum that observes; the same in all processes


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk whose files have been verified."""

    path: Path
    cursor: Cursor
    written: frozenset[str]  # its files; another one in its folder is not read
    depends_on: Mapping[str, str | None] = field(default_factory=dict)  # see `save_checkpoint`

    @property
    def model(self) -> Path:
        """The folder of its weights: a whole model, or an adapter that names its base."""
        return self.path / "model"

    def stage_state(self, rank: int = 0) -> StageState:
        """What the process of that rank kept."""
        return StageState(
            self._tensors(LEARNER.format(rank=rank)),
            self._tensors(AHEAD.format(rank=rank)),
            json.loads((self.path / OBSERVED).read_text(encoding="utf-8"))
            if OBSERVED in self.written
            else None,
        )

    def _tensors(self, name: str) -> dict[str, Any] | None:
        file = self.path / name
        return torch.load(file, map_location="cpu", weights_only=True) if name in self.written else None


def save_checkpoint(
    folder: Path,
    cursor: Cursor,
    family: ModelFamily,
    state: StageState,
    *,
    depends_on: Mapping[str, str | None] = MappingProxyType({}),
    processes: Processes = ALONE,
) -> Path:
    """Write a checkpoint into `folder`; all processes must call.

    The first process writes the model and what the curriculum observed; each writes its part of the learner's
    state and the completions that it has sampled ahead. `depends_on` holds digests of what else a run needs
    as it is now to go on from here. The checkpoint is built under a temporary name and renamed, so a kill or
    a full disk leaves the older ones intact.
    Raises OSError where the disk is full, or something else has the checkpoint's name.
    """
    final = folder / _name(cursor)
    building = folder / f".building-{final.name}"

    def begin() -> None:
        with _complete_or_absent(building):
            family.save(building / "model")
            if state.observed is not None:
                (building / OBSERVED).write_text(json.dumps(state.observed), encoding="utf-8")

    def complete() -> None:
        with or_absent(building):
            digests = {name: _sha256(building / name) for name in _files(building) if name != MARKER}
            manifest: dict[str, Any] = {"cursor": asdict(cursor), "sha256": digests}
            manifest["depends_on"] = dict(depends_on)
            manifest["digest"] = _digest(manifest)
            (building / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
            _sync(building)
            (building / MARKER).unlink()
        if final.exists():  # left by a run that was resumed from an older one
            _remove(final)
        building.rename(final)

    processes.from_first(begin)
    for name, tensors in ((LEARNER, state.learner), (AHEAD, state.sampled_ahead)):
        if tensors is not None:
            with or_absent(building):
                torch.save(tensors, building / name.format(rank=processes.rank))
    processes.wait()
    processes.from_first(complete)
    return final


def tidy(folder: Path, keep: int, spare: Path | None = None) -> None:
    """Delete all but the newest `keep` checkpoints, and unfinished ones that a killed run left.

    `spare` is a checkpoint that is kept at any age: the one from whose folder a model was opened. One that
    holds anything else than was written stays, and so does every other file and folder.
    """
    remove_unfinished(folder)
    for old in _folders(folder)[:-keep]:
        if old == spare:
            continue
        if others := _others(old):
            logger.info("%s is kept: it holds %s, which the run did not write", old, others[0])
        else:
            _remove(old)


def remove_unfinished(folder: Path) -> None:
    """Remove what a killed run left half written or half removed in the folder, and nothing else."""
    for left in folder.glob(".*"):
        if re.match(r"\.(building|removing)-", left.name) and _is_left_over(left):
            _clear(left)


def write_folder(
    folder: Path, write: Callable[[Path], None], before_rename: Callable[[Path], None] = lambda content: None
) -> None:
    """Have `write` fill the folder, complete or not at all. Raises OSError that says how to go on.

    `before_rename` sees the folder as it was written, under another name. A folder that is there already must
    hold the same. Raises FileExistsError where it does not.
    """
    building = folder.with_name(f".building-{folder.name}")
    content = building / folder.name
    with _complete_or_absent(building):
        write(content)
        _sync(content)
    before_rename(content)
    if not folder.exists():
        content.rename(folder)
    same = not content.exists() or files_digest(folder) == files_digest(content)
    shutil.rmtree(building)
    if not same:
        raise FileExistsError(
            f"{folder} is not what the run writes there; move it elsewhere and continue with --resume"
        )


def latest_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest checkpoint in `folder`, None if there is none.

    Raises ValueError if its files are not those that were written, and if another folder stands where a later
    checkpoint would be written. It names the checkpoint before.
    """
    checkpoints = _folders(folder)
    newest = checkpoints[-1] if checkpoints else None
    _refuse_in_the_way(folder, newest)
    if newest is None:
        return None
    manifest = _read_manifest(newest / MANIFEST)
    wrong = [f"{MANIFEST} is damaged"] if manifest is None else list(_wrong_files(newest, manifest))
    if manifest is None or wrong:
        raise ValueError(
            f"checkpoint {newest}: {', '.join(wrong)}; expected what was written; delete this checkpoint's "
            f"folder to {_go_back(checkpoints)}"
        )
    written = frozenset(manifest["sha256"])
    return Checkpoint(newest, Cursor(**manifest["cursor"]), written, manifest.get("depends_on", {}))


def refuse_changed(folder: Path, checkpoint: Checkpoint, now: Mapping[str, str | None]) -> None:
    """Raise ValueError for what the run needs as it was when the checkpoint was written, and is not.

    `now` are the digests of `save_checkpoint`'s `depends_on`, None: not there. What a checkpoint does not
    name is not compared.
    """
    changed = [
        f"{name} ({short_digest(before)} when it was written, {short_digest(now[name])} now)"
        for name, before in checkpoint.depends_on.items()
        if name in now and before != now[name]
    ]
    if changed:
        raise ValueError(
            f"checkpoint {checkpoint.path}: the run would go on with other numbers, because this is not what "
            f"it was: {', '.join(changed)}; put it back as it was, or delete this checkpoint's folder to "
            f"{_go_back(_folders(folder))}"
        )


def files_digest(folder: Path) -> str | None:
    """A digest over names and contents of all files below a folder, None where there is none."""
    if not folder.is_dir():
        return None
    return _digest({name: _sha256(folder / name) for name in _files(folder)})


def _go_back(checkpoints: Sequence[Path]) -> str:
    return f"resume from {checkpoints[-2]}" if len(checkpoints) > 1 else "begin again: there is no older one"


@contextmanager
def _complete_or_absent(building: Path) -> Iterator[None]:
    """A new folder with a marker for the block, and none if the block could not write all of it.

    Raises FileExistsError where something else has its name.
    """
    if building.exists():
        if not _is_left_over(building):
            raise FileExistsError(f"{building} is in the way and rlaudio did not write it; move it elsewhere")
        _clear(building)
    with or_absent(building):
        building.mkdir(parents=True)
        (building / MARKER).write_text("rlaudio removes this folder when the run is resumed\n", "utf-8")
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
    """Delete a checkpoint; if killed halfway it leaves no folder that looks like a checkpoint.

    Its manifest goes last: until then it says that the rest may go. Raises FileExistsError for a folder with
    anything else in it.
    """
    if others := _others(checkpoint):
        raise FileExistsError(
            f"{checkpoint} is in the way: {others[0]} is not what the run wrote; move the folder elsewhere "
            "and continue with --resume"
        )
    going = checkpoint.with_name(f".removing-{checkpoint.name}")
    checkpoint.rename(going)
    _clear(going)


def _clear(folder: Path) -> None:
    """Delete a folder, last the file by which it is known: killed halfway it is known still."""
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name not in (MANIFEST, MARKER):
            entry.unlink()
    shutil.rmtree(folder)


def _others(checkpoint: Path) -> list[str]:
    """What a checkpoint's folder holds beside the files that its manifest names; all, if that is damaged."""
    manifest = _read_manifest(checkpoint / MANIFEST)
    written = {MANIFEST, *manifest["sha256"]} if manifest and not checkpoint.is_symlink() else set()
    return [name for name in _files(checkpoint) if name not in written]


def _is_left_over(folder: Path) -> bool:
    """Whether a folder was being written or removed by rlaudio, or has no file in it."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    return (folder / MARKER).is_file() or not _others(folder)


def _refuse_in_the_way(folder: Path, newest: Path | None) -> None:
    """Raise ValueError for something at the place of a later checkpoint, which would be written there."""
    for path in folder.glob("*-*"):
        if _order(path) and not (path / MANIFEST).exists() and (not newest or _order(path) > _order(newest)):
            raise ValueError(
                f"{path} has the name of a checkpoint and no {MANIFEST}, so it is none that was written "
                "whole; move it elsewhere: the run may come to write a checkpoint of that name"
            )


def _read_manifest(file: Path) -> dict[str, Any] | None:
    """The manifest, None if it is not what was written."""
    try:
        manifest = json.loads(read_bytes(file, _LARGEST_MANIFEST))
        digest = manifest.pop("digest")
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return None
    return manifest if digest == _digest(manifest) else None


def _wrong_files(checkpoint: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Which files are damaged, missing or too many; whether it is another checkpoint than its name says."""
    if checkpoint.name != (name := _name(Cursor(**manifest["cursor"]))):
        yield f"its name is not that which it was written under, {name}"
    for name, digest in manifest["sha256"].items():
        file = checkpoint / name
        if not file.is_file() or _sha256(file) != digest:
            yield f"{name} is {'damaged' if file.is_file() else 'missing'}"
    for name in _files(checkpoint / "model"):  # what is opened depends on which files there are
        if f"model/{name}" not in manifest["sha256"] and not Path(name).name.startswith("."):
            yield f"model/{name} was put there later"


def _digest(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def latest_weights(folder: Path) -> Path | None:
    """The model of the newest checkpoint in `folder`, unread; None if there is none."""
    checkpoints = _folders(folder)
    return checkpoints[-1] / "model" if checkpoints else None


def _folders(folder: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    complete = [path.parent for path in folder.glob(f"*/{MANIFEST}") if _order(path.parent)]
    return sorted(complete, key=_order)


def _name(cursor: Cursor) -> str:
    return f"{cursor.stage}-{cursor.step:06d}"


def _order(path: Path) -> tuple[int, ...]:
    """Stage and step by a checkpoint's name; nothing for another name."""
    if not re.fullmatch(r"\d+-\d{6,}", path.name):
        return ()
    stage, step = path.name.split("-")
    return int(stage), int(step)


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
