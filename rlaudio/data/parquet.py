"""Rows of Parquet files, read in batches: memory does not grow with the file, and audio stays as bytes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow.parquet import ParquetFile

from rlaudio.utils.messages import printable, shown

_ROWS = 32  # at a time; a row may hold minutes of audio


def scan_parquet(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Place and fields of every row; fields that are null are left out.

    Raises ValueError where the file, or what follows in it, cannot be read.
    """
    number = 0
    try:
        with ParquetFile(file) as content:
            _refuse_twice(content.schema_arrow.names)
            for batch in content.iter_batches(batch_size=_ROWS):
                for row in batch.to_pylist():
                    number += 1
                    fields = {name: _plain(value) for name, value in row.items()}
                    yield f"{file}: row {number}", {n: v for n, v in fields.items() if v is not None}
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        after = f" after row {number}" if number else ""
        why = str(error).partition("\n")[0]
        raise ValueError(
            f"{printable(str(file))}: cannot be read as Parquet{after} ({printable(why)}); fetch it again, "
            "or write it anew without what cannot be read"
        ) from error


def _refuse_twice(names: Sequence[str]) -> None:
    """Of columns of one name a row would hold the last alone. Raises ValueError for such."""
    for name, times in Counter(names).items():
        if times > 1:
            raise ValueError(f"{times} columns are called {shown(name)}, expected one")


def _plain(value: Any) -> Any:
    """A value as JSON would hold it, bytes aside; null for NaN, which pandas writes for it."""
    if value is None or isinstance(value, str | bool | int | bytes):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, dict):
        entries = {name: _plain(entry) for name, entry in value.items()}
        return {name: entry for name, entry in entries.items() if entry is not None}
    return str(value)  # dates, decimals
