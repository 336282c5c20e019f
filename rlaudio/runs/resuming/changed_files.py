"""Files of models and of the user's plug-ins that a run began with."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rlaudio.runs import shapes
from rlaudio.runs.digests import (
    NO_STAMP,
    Known,
    changed_files,
    digests_of,
    forget,
    has_digest,
    is_recorded,
    record,
    short_digest,
)
from rlaudio.runs.files import read_json, write_json
from rlaudio.runs.folder import RunFolder
from rlaudio.runs.occupancy import computed_nothing
from rlaudio.runs.places import INPUTS, PLUGINS, STAMPS

logger = logging.getLogger(__name__)

_SHOWN = 8  # differences in a message
_ABSENT = "nothing"


def check_models(folder: RunFolder, models: Mapping[str, Path]) -> None:
    """Refuse model folders whose files are not what the run began with; a new run records them.

    `models` are the folders by the recipe's key that names them. Files in subfolders are left out.
    Raises ValueError with key, folder and file.
    """
    inputs = read_json(folder.path / INPUTS, shapes.INPUTS) or {}
    stamps = read_json(folder.path / STAMPS, shapes.STAMPS) or {}
    begun: Mapping[str, Any] | None = inputs.get("models")
    known = {
        models[key] / file: Known(digest, stamps.get("models", {}).get(key, {}).get(file, NO_STAMP))
        for key, files in (begun or {}).items()
        if key in models
        for file, digest in files.items()
    }
    files = {key: [f for f in sorted(path.iterdir()) if f.is_file()] for key, path in models.items()}
    read = digests_of([file for of_model in files.values() for file in of_model], known)
    now = {key: {f.name: read[f].digest for f in of_model} for key, of_model in files.items()}
    if begun is None:
        folder.write_json(INPUTS, {**inputs, "models": now})
    elif changed := list(_changed_files(begun, now, models)):
        raise ValueError(
            f"{folder.path}: a model is not what the run began with:\n"
            + "".join(f"  {line}\n" for line in changed[:_SHOWN])
            + "put its files back as they were, or begin a new run with another --out"
        )
    folder.write_json(
        STAMPS, stamps | {"models": {k: {f.name: read[f].stamp for f in of} for k, of in files.items()}}
    )


def _changed_files(
    begun: Mapping[str, Mapping[str, str]], now: Mapping[str, Mapping[str, str]], models: Mapping[str, Path]
) -> Iterator[str]:
    for key in dict.fromkeys([*begun, *now]):
        before, after = begun.get(key, {}), now.get(key, {})
        where = models.get(key, "not named any more")
        for file in dict.fromkeys([*before, *after]):
            if before.get(file) != after.get(file):
                was, is_now = (short_digest(digests.get(file), _ABSENT) for digests in (before, after))
                yield f"{key} ({where}): {file}: it began with {was}, now it is {is_now}"


def check_plugins(folder: RunFolder, files: Sequence[Path]) -> None:
    """Refuse files of the user, plug-ins and what they read, that a run did not begin with; records new ones.

    Those that were accepted are warned of. A run that has computed nothing begins with the files as they are.
    Raises ValueError with each file.
    """
    run, begun = folder.path, _begun_plugins(folder.path)
    digests = {file: _file_digest(Path(file)) for file in begun}
    accepted = (read_json(run / INPUTS, shapes.INPUTS) or {}).get("plugins", {})
    changed = [file for file, digest in digests.items() if digest != begun[file]]
    if refused := [file for file in changed if digests[file] != accepted.get(file, begun[file])]:
        both = [(file, *(short_digest(d[file], _ABSENT) for d in (begun, digests))) for file in refused]
        raise ValueError(
            f"{run}: plug-ins, or files that they import or read, are not what the run began with:\n"
            + "".join(f"  {file}: it began with {was}, now it is {now}\n" for file, was, now in both)
            + "put the files back as they were, or begin a new run with another --out; where a fault "
            "was mended that did not spoil what is done, add --changed-plugins"
        )
    if changed:
        logger.warning(
            "%s: changed since the run began: %s; what the run has computed so far comes from the old file; "
            "for one file from first to last put the old one back, or begin a new run with another --out",
            run,
            ", ".join(changed),
        )
    now = begun | {str(file): _file_digest(file) for file in files if str(file) not in begun}
    if now != begun or not is_recorded(run, PLUGINS):
        forget(run, PLUGINS)  # first: killed before the last line, the file is one that was not recorded yet
        folder.write_json(PLUGINS, now)
        record(run, PLUGINS)


def accept_plugins(run: Path) -> None:
    """Have the run in the folder go on with the files of the user's plug-ins as they are now."""
    if changed := changed_plugins(run):
        inputs = read_json(run / INPUTS, shapes.INPUTS) or {}
        write_json(run / INPUTS, {**inputs, "plugins": {f: _file_digest(Path(f)) for f in changed}})


def changed_plugins(run: Path) -> list[str]:
    """The user's plug-ins that are not what they were when the run in the folder began."""
    begun = read_json(run / PLUGINS, shapes.PLUGINS) or {}
    return [file for file, digest in begun.items() if _file_digest(Path(file)) != digest]


def _begun_plugins(run: Path) -> dict[str, str | None]:
    """Digests of the plug-ins that the run began with. Raises ValueError where it wrote others."""
    if computed_nothing(run):
        return {}
    if changed_files(run, PLUGINS) or (has_digest(run, PLUGINS) and not is_recorded(run, PLUGINS)):
        raise ValueError(
            f"{run}: {PLUGINS} missing or not what the run wrote, so nothing tells whether plug-ins are as "
            "they were; put it back, or begin a new run with another --out"
        )
    begun: dict[str, str | None] | None = read_json(run / PLUGINS, shapes.PLUGINS)
    return begun or {}


def _file_digest(file: Path) -> str | None:
    if not file.is_file():
        return None
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
