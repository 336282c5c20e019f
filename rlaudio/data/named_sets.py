"""Data sets as commands and Python name them, as a recipe would have them: NAME=PATH, or a path alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rlaudio.data.hub import is_hub_name
from rlaudio.utils.messages import MOST, printable, shortened
from rlaudio.utils.names import plain_name

Spec = Mapping[str, Any]  # {"use": "mmau", "path": FOLDER}
_DEFAULT = "audiomcq"  # reads a path that is named alone


class NamedSet(NamedTuple):
    """A data set and what it is called: like its plug-in, or like a file that is named alone."""

    name: str
    spec: Spec


def name_and_path(text: str) -> tuple[str | None, str]:
    """The parts of `NAME=PATH`; None and the text where it is a path alone, be it one with a "=" in it."""
    name, sign, path = text.partition("=")
    if not sign or os.path.exists(text):  # noqa: PTH110  Path raises where a name is too long
        return None, text
    return name, path


def data_set(text: str, *, or_path: bool = True) -> NamedSet:
    """The set of `NAME=PATH`, where NAME is a data plug-in, or with `or_path` of the path of a file.

    Raises ValueError for any other text.
    """
    use, path = name_and_path(text) if or_path else text.partition("=")[::2]
    if use is None:
        return NamedSet(plain_name(Path(text).stem), {"use": _DEFAULT, "path": text})
    if not use or not path:
        otherwise = ", or a path" if or_path else ""
        raise ValueError(f"{text}: expected NAME=PATH, such as mmau=/data/MMAU{otherwise}")
    return NamedSet(plain_name(Path(use).stem), {"use": use, "path": path})


def existing(spec: Spec) -> Spec:
    """The set as it is. Raises ValueError where its path does not exist and is no name of the hub."""
    path = spec.get("path")
    if path is not None and not is_hub_name(str(path)) and (problem := _problem(path)):
        named = f"{spec['use']}={shortened(printable(str(path)), MOST)}"
        raise ValueError(f"{named}: {problem}; expected a file or folder of questions; correct the path")
    return spec


def _problem(path: str | Path) -> str | None:
    """Why there is nothing at a path."""
    try:
        Path(path).stat()
    except FileNotFoundError:
        return f"{path} does not exist"
    except OSError as error:
        return str(error.strerror).lower()
    except ValueError as error:  # a zero byte in it
        return str(error)
    return None
