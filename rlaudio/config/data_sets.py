"""Data sets as commands and Python name them, as a recipe would have them: NAME=PATH, or a path alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rlaudio.config.names import plain_name
from rlaudio.data.hub import is_hub_name

Spec = Mapping[str, Any]  # {"use": "mmau", "path": FOLDER}
_DEFAULT = "audiomcq"  # reads a path that is named alone


class NamedSet(NamedTuple):
    """A data set and what it is called: like its plug-in, or like a file that is named alone."""

    name: str
    spec: Spec


def data_set(text: str, *, or_path: bool = True) -> NamedSet:
    """The set of `NAME=PATH`, where NAME is a data plug-in, or with `or_path` of the path of a file.

    Raises ValueError for any other text.
    """
    use, sign, path = text.partition("=")
    if or_path and (not sign or Path(text).exists()):
        return NamedSet(plain_name(Path(text).stem), {"use": _DEFAULT, "path": text})
    if not use or not path:
        otherwise = ", or a path" if or_path else ""
        raise ValueError(f"{text}: expected NAME=PATH, such as mmau=/data/MMAU{otherwise}")
    return NamedSet(plain_name(Path(use).stem), {"use": use, "path": path})


def existing(spec: Spec) -> Spec:
    """The set as it is. Raises ValueError where its path does not exist and is no name of the hub."""
    path = spec.get("path")
    if path is not None and not Path(path).exists() and not is_hub_name(str(path)):
        raise ValueError(f"{spec['use']}={path}: {path} does not exist")
    return spec
