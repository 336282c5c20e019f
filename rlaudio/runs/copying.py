"""Runs that begin as copies of another one that ended after a part: they skip every phase that is done."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rlaudio.runs.files import write_json, write_text
from rlaudio.runs.folder import RunFolder
from rlaudio.runs.parts import StopAfter
from rlaudio.runs.places import CHECKPOINTS, COMPLETE, LOCK, MODELS, RECIPE, SUMMARY, VERSIONS
from rlaudio.runs.resuming import keep_recipe


def begin(path: Path, recipe_yaml: str) -> None:
    """A run in which nothing was computed; the process that resumes it writes what it is made with."""
    RunFolder.create(path, recipe_yaml).close()
    (path / VERSIONS).unlink()


def go_on_from(done: Path, path: Path, values: Mapping[str, Any], recipe_yaml: str) -> None:
    """A new run that goes on from a copy of `done` by another recipe, whose plain values are `values`."""
    shutil.copytree(
        done,
        path,
        copy_function=partial(_copy, done),
        ignore=lambda where, names: {LOCK, COMPLETE, RECIPE} if Path(where) == done else (),
    )
    write_text(path / RECIPE, recipe_yaml)
    keep_recipe(path, values, recipe_yaml)


def mark_complete(run: Path, until: StopAfter) -> None:
    """Say that the run has come to the end of the part: it may be copied, and is not resumed."""
    write_json(run / COMPLETE, {"until": until})


def is_complete(run: Path, until: StopAfter | None) -> bool:
    """Whether the run has come to the end of the part, or to its own."""
    return (run / (COMPLETE if until else SUMMARY)).exists()


def _copy(root: Path, source: str, target: str) -> None:
    """Copy a file of the run folder `root`; weights, which are never written in place, are hard-linked."""
    if Path(source).relative_to(root).parts[0] in (CHECKPOINTS, MODELS):
        try:
            os.link(source, target)
            return
        except OSError:  # another file system, or one without hard links
            pass
    shutil.copy2(source, target)
