"""Reading and writing of a run folder's files so that a crash at any moment leaves each of them usable."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Json = dict[str, Any]


def write_text(path: Path, text: str) -> None:
    """Put `text` in `path` completely or not at all: on an error, a full disk too, the old file stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    building = unfinished(path)
    try:
        with building.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        building.replace(path)
    except OSError:
        building.unlink(missing_ok=True)
        raise


def unfinished(path: Path) -> Path:
    """The temporary file of `write_text`, which a killed process may leave behind."""
    return path.with_name(f".{path.name}.unfinished")


def write_json(path: Path, value: Any) -> None:
    """Put `value` in `path` as JSON, all or nothing; numbers that are not finite become null."""
    write_text(path, json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Put `rows` in `path`, one JSON object a line, all or nothing."""
    write_text(path, "".join(_line(row) for row in rows))


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Add one JSON object as a line at the end of `path`."""
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(_line(row))


def read_rows(path: Path) -> list[Json]:
    """The JSON objects of `path`, or none where it does not exist.

    A last line without a line end was cut off by a kill and is left out. Raises ValueError with file and
    line for any other line that is not a JSON object.
    """
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [_row(path, number, line) for number, line in enumerate(lines[:-1], start=1)]


def read_json(path: Path) -> Any:
    """The value in `path`, or None where it does not exist. Raises ValueError if it is not JSON."""
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path}: expected JSON, found {error}; delete the file and write it anew"
        ) from error


def plain(value: Any) -> Any:
    """`value` in JSON's own types: NumPy numbers and arrays and paths converted, non-finite numbers None."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(entry) for entry in value]
    return value


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(plain(row), ensure_ascii=False, allow_nan=False) + "\n"


def _row(path: Path, number: int, line: str) -> Json:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {number}: expected a JSON object, found {line[:80]!r}") from error
    if not isinstance(row, dict):
        raise ValueError(f"{path}, line {number}: expected a JSON object, found {line[:80]!r}")
    return row
