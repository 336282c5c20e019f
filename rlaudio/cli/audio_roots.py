"""The options that say what audio paths are relative to, for all sets of a command or for one."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import click

_root = click.option(
    "--audio-root",
    "roots",
    multiple=True,
    metavar="[NAME=]FOLDER",
    help="What audio paths are relative to, of all sets or of one.  [default: the folder of the data]",
)
_outside = click.option("--outside-root", is_flag=True, help="Trust paths that leave the audio root.")


def audio_root_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --audio-root, as `roots`, and --outside-root."""
    return _root(_outside(command))


def with_root(
    spec: Mapping[str, Any], name: str, roots: Sequence[str], *, outside_root: bool
) -> dict[str, Any]:
    """A data set as a recipe would have it, with the audio root that the command line gives it, if any."""
    root = _root_of(name, roots)
    given = {"audio_root": root, "outside_root": outside_root}
    return {**spec, **{key: value for key, value in given.items() if value}}


def _root_of(name: str, roots: Sequence[str]) -> str | None:
    """The audio root of a set: the one that names it, else the one that names none."""
    for_all = None
    for text in roots:
        owner, folder = _owner_and_folder(text)
        if owner is None:
            for_all = folder
        elif owner == name:
            return folder
    return for_all


def _owner_and_folder(text: str) -> tuple[str | None, str]:
    owner, sign, folder = text.partition("=")
    if not sign or os.path.exists(text):  # noqa: PTH110  Path raises where a name is too long
        return None, text
    return owner, folder


def refuse_roots_of_no_set(roots: Sequence[str], names: Collection[str]) -> None:
    """Refuse audio roots without a folder, of sets that the command does not read, and two of one set."""
    by_owner: dict[str | None, str] = {}
    for text in roots:
        owner, folder = _owner_and_folder(text)
        if by_owner.setdefault(owner, folder) != folder:
            raise click.UsageError(
                f"--audio-root {by_owner[owner]} and {folder} are of the same sets; leave one out"
            )
        if not folder:
            raise click.UsageError(f"--audio-root {text!r}: expected a folder, or NAME=FOLDER")
        if owner is not None and owner not in names:
            raise click.UsageError(
                f"--audio-root {text}: no such folder, and no set is called {owner}; expected a folder, or "
                f"NAME=FOLDER with NAME one of {', '.join(names)}"
            )
