"""The folder of a comparison: locked by one process, and refused for a comparison that differs.

comparison.yaml      what is compared: every arm's resolved recipe
ARM/seed-N/          ordinary run folders
shared/              parts that several runs start from
logs/                the log of each job
comparison.json      every number              comparison.html      the page
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic takes typing's own from Python 3.12 on

from rlaudio.compare.grid import RESERVED, Comparison
from rlaudio.config.schema import Recipe
from rlaudio.runs.files import write_text
from rlaudio.runs.occupancy import take_lock
from rlaudio.runs.places import LOCK
from rlaudio.runs.stored_files import StoredFiles
from rlaudio.utils.plain_yaml import plain_yaml

FILE = "comparison.yaml"
SHOWN = 10  # differences that are named
LARGEST = 8 * 2**20  # bytes of it: a resolved recipe for every arm


@contextmanager
def open_folder(path: Path, comparison: Comparison, *, resume: bool) -> Iterator[None]:
    """Lock the folder for a comparison while the block runs.

    To resume, arms and seeds may be added, but not changed or removed. Raises FileExistsError for a folder
    that is not empty unless `resume`, ValueError that says what differs, BlockingIOError while another
    process has the lock.
    """
    path.mkdir(parents=True, exist_ok=True)
    _refuse_links(path, comparison)
    with take_lock(path):
        now = _description(comparison)
        begun = _read(path)
        if begun is not None and resume:
            differing = list(_differences(begun, now))
            if differing:
                more = f"; and {len(differing) - SHOWN} more" if len(differing) > SHOWN else ""
                raise ValueError(
                    f"{path}: the comparison there began otherwise: {'; '.join(differing[:SHOWN])}{more}; "
                    f"undo that in the file, or in {FILE} if that was edited, or compare in a new folder "
                    "with another --out"
                )
        elif names := sorted(entry.name for entry in path.iterdir() if entry.name != LOCK):
            what = "a comparison" if begun is not None else ", ".join(names[:4])
            raise FileExistsError(
                f"{path}: the folder holds {what}; a new comparison needs an empty one; "
                "continue the one there with --resume, or choose another with --out"
            )
        write_text(path / FILE, plain_yaml(now))
        yield


def _refuse_links(path: Path, comparison: Comparison) -> None:
    """Raise ValueError for a link in place of a folder: what is elsewhere would be written and compared."""
    names = {*RESERVED, *(arm.name for arm in comparison.arms)}
    for entry in (*path.glob("*"), *path.glob("*/*")):
        if entry.is_symlink() and entry.relative_to(path).parts[0] in names:
            raise ValueError(
                f"{entry}: is a link to {entry.readlink()}; expected a file or folder of the comparison; "
                "remove the link, or move what it leads to here"
            )


def _description(comparison: Comparison) -> dict[str, Any]:
    """The content of comparison.yaml."""
    return {
        "name": comparison.name,
        "base": comparison.base,
        "note": comparison.note,
        "baseline": comparison.baseline,
        "seeds": list(comparison.seeds),
        "arms": {arm.name: _dump(arm.recipe) for arm in comparison.arms},
    }


def _dump(recipe: Recipe) -> dict[str, Any]:
    return recipe.model_dump(mode="json", exclude={"name", "seed"})


def _with_new_keys(arm: Mapping[str, Any]) -> Mapping[str, Any]:
    """An arm as it was written, with the defaults of keys that were added to recipes since."""
    try:
        return _dump(Recipe.model_validate({"name": "arm", **arm}))
    except ValidationError:  # a key was removed since; `_differences` names it
        return arm


class _Stored(TypedDict):
    """What is read back of comparison.yaml."""

    seeds: list[int]
    arms: dict[str, dict[str, Any]]


_STORED = TypeAdapter(_Stored)


def _read(path: Path) -> dict[str, Any] | None:
    """The content of comparison.yaml, None where there is none. Raises ValueError for a damaged one."""
    if not os.path.lexists(path / FILE):
        return None
    return StoredFiles(path).yaml(FILE, _STORED, LARGEST)[1]


def _differences(begun: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What differs from the comparison whose results are in the folder, as text."""
    for name in begun["arms"]:
        if name not in now["arms"]:
            yield f"arm {name} is gone"
            continue
        was, is_now = (dict(_leaves(arm)) for arm in (_with_new_keys(begun["arms"][name]), now["arms"][name]))
        for key in dict.fromkeys([*was, *is_now]):
            if was.get(key) != is_now.get(key) and key != "threads":
                yield f"arm {name}: {key} was {was.get(key)}, is {is_now.get(key)}"
    for seed in begun["seeds"]:
        if seed not in now["seeds"]:
            yield f"seed {seed} is gone (--add-seeds {seed} keeps it)"


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
