"""Long texts that stay in their file until they are asked for: half a million rows have a gigabyte."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from rlaudio.utils.messages import printable

LARGE = 64 * 2**20  # bytes of a file whose texts are not kept in memory


class StoredTexts(Mapping[str, str]):
    """Texts of one line of a file of JSON lines, by name; the line is read again for each."""

    __slots__ = ("_fields", "_file", "_id", "_offset", "_read")

    def __init__(
        self, file: Path, offset: int, id: str, fields: Mapping[str, str], read: Callable[[str], str]
    ) -> None:
        """`offset` is the line's first byte, `fields` the field of each text, `read` what is made of it."""
        self._file, self._offset, self._id, self._fields, self._read = file, offset, id, fields, read

    def __getitem__(self, name: str) -> str:
        """The text. Raises KeyError, and ValueError where the file has changed since it was opened."""
        field = self._fields[name]
        try:
            with self._file.open("rb") as content:
                content.seek(self._offset)
                row = json.loads(content.readline())
            if str(row["id"]) == self._id:
                return self._read(row[field])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._changed() from error
        raise self._changed()

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"texts of {self._id} in {self._file}: {', '.join(self._fields)}"

    def _changed(self) -> ValueError:
        return ValueError(
            f"{printable(str(self._file))}: question {printable(self._id)} no longer stands at byte "
            f"{self._offset}; the file has changed since it was opened; leave it as it is during a run"
        )
