"""Rows of .jsonl and .json files, with fields checked by type; every message names the file and the line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class JsonRow:
    """One object of a file. Every getter raises ValueError where a field has another type."""

    where: str  # "train.jsonl:12"
    fields: Mapping[str, Any]

    def text(self, *names: str, default: str | None = None) -> str:
        """The first of the fields `names` that is present, as text; numbers are converted."""
        value = self._first(names, required=default is None)
        if value is None and default is not None:
            return default
        if not _is_text_or_number(value) or value == "":
            raise ValueError(f'{self.where}: "{names[0]}" is {value!r}; expected text')
        return str(value)

    def texts(self, *names: str) -> tuple[str, ...]:
        """The first of the fields `names` that is present, as a list of texts."""
        values = self._first(names, required=True)
        if not isinstance(values, list) or not values or not all(map(_is_text_or_number, values)):
            raise ValueError(f'{self.where}: "{names[0]}" is {values!r}; expected a list of texts')
        return tuple(str(value) for value in values)

    def number(self, name: str) -> float | None:
        value = self.fields.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ValueError(f'{self.where}: "{name}" is {value!r}; expected a number')
        return None if value is None else float(value)

    def flag(self, name: str) -> bool | None:
        value = self.fields.get(name)
        if value is not None and not isinstance(value, bool):
            raise ValueError(f'{self.where}: "{name}" is {value!r}; expected true or false')
        return value

    def _first(self, names: tuple[str, ...], *, required: bool) -> Any:
        for name in names:
            if self.fields.get(name) is not None:
                return self.fields[name]
        if required:
            present = ", ".join(sorted(self.fields)) or "nothing"
            raise ValueError(f'{self.where}: no field "{names[0]}"; found: {present}')
        return None


def read_rows(file: Path) -> Iterator[JsonRow]:
    """The objects of a .jsonl file (one a line, empty lines skipped) or of the list in a .json file."""
    if file.suffix == ".json":
        yield from _read_list(file)
        return
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                where = f"{file}:{number}"
                try:
                    yield _row(where, json.loads(line))
                except json.JSONDecodeError as error:
                    raise ValueError(f"{where}: not JSON ({error.msg} at column {error.colno})") from error


def _read_list(file: Path) -> Iterator[JsonRow]:
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{file}:{error.lineno}: not JSON ({error.msg})") from error
    if not isinstance(rows, list):
        raise ValueError(f"{file}: holds a {type(rows).__name__}; expected a list of objects")
    for number, row in enumerate(rows, start=1):
        yield _row(f"{file}: item {number}", row)


def _row(where: str, value: Any) -> JsonRow:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: holds a {type(value).__name__}; expected an object with named fields")
    return JsonRow(where, value)


def _is_text_or_number(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)
