"""Reading and writing of a run folder's files.

A crash at any moment leaves each of them usable. The folder may come from somebody else, so what is read must
be an ordinary file of limited size with UTF-8 text, and nothing is written through a link.
"""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from rlaudio.utils.bounded_reading import open_file, read_bytes
from rlaudio.utils.messages import dotted, shown

Json = dict[str, Any]

LARGEST_FILE = 256 * 2**20  # bytes that are read at once
LARGEST_LINE = 64 * 2**20  # bytes of a row; a group of rollouts may be larger
LARGEST_ROWS = 4 * 2**30  # bytes of a file with rows
ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)
_PLAIN = frozenset({str, int, bool, type(None)})  # most values, so they are asked for first


def write_text(path: Path, text: str) -> None:
    """Put `text` in `path` completely or not at all: on an error, a full disk too, the old file stays."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes, *, to_disk: bool = True) -> None:
    """As `write_text`, for any content; `to_disk` waits until the content outlives a power cut."""
    _write_pieces(path, (content,), to_disk=to_disk)


def _write_pieces(path: Path, pieces: Iterable[bytes], *, to_disk: bool = True) -> None:
    """As `write_text`, the content piece by piece, also where making the next one fails."""
    building = unfinished(path)
    with _named(path):
        if path.is_char_device() or path.is_block_device():
            raise FileExistsError(errno.EEXIST, "a device", str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        building.unlink(missing_ok=True)
        try:
            with building.open("xb") as file:  # never through a link
                file.writelines(pieces)
                file.flush()
                if to_disk:
                    os.fsync(file.fileno())
            building.replace(path)
        except BaseException:
            building.unlink(missing_ok=True)
            raise


def unfinished(path: Path) -> Path:
    """The temporary file of `write_text`, which a killed process may leave behind."""
    return path.with_name(f".{path.name}.unfinished")


def write_json(path: Path, value: Any) -> None:
    """Put `value` in `path` as JSON, all or nothing; numbers that are not finite become null."""
    write_text(path, json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Put `rows` in `path`, one JSON object a line, all or nothing; only one at a time is in memory."""
    _write_pieces(path, (_line(row).encode("utf-8") for row in rows))


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Add one JSON object as a line at the end of `path`."""
    with _named(path), path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(_line(row))


def read_rows(
    path: Path,
    shape: TypeAdapter[Any] = ANYTHING,
    longest: int = LARGEST_LINE,
    *,
    appended: bool = False,
) -> list[Json]:
    """The JSON objects of `path`, or none where it does not exist.

    Raises ValueError with file and line, and key where there is one, for a line that is not a JSON object of
    this shape, and as `lines`.
    """
    return [parse_row(path, number, line, shape) for number, line in lines(path, longest, appended=appended)]


def lines(path: Path, longest: int = LARGEST_LINE, *, appended: bool = False) -> Iterator[tuple[int, bytes]]:
    """The complete lines of a file with their numbers; none where it does not exist.

    A last line without a line end was cut off by a kill where rows are `appended`, and is left out; other
    files are written whole, so that it is damage. Raises ValueError for that, and for a line of more than
    `longest` bytes.
    """
    if not os.path.lexists(path):
        return
    with open_file(path, LARGEST_ROWS) as file:
        number = 1
        while (line := file.readline(longest + 1)).endswith(b"\n"):
            yield number, line[:-1]
            number += 1
    if len(line) > longest:
        raise ValueError(
            f"{path}, line {number}: longer than {longest / 2**20:g} MiB; expected a JSON object; "
            "delete the line"
        )
    if line and not appended:
        raise ValueError(
            f"{path}, line {number}: the file ends within it, cut off; expected whole lines; copy the file "
            "again"
        )


def parse_row(path: Path, number: int, line: bytes, shape: TypeAdapter[Any] = ANYTHING) -> Json:
    """The JSON object in a line of `path`. Raises ValueError with file, line and key."""
    where = f"{path}, line {number}"
    advice = "delete the line, or copy the file again"
    row = _parse(line, where, "a JSON object", advice)
    if not isinstance(row, dict):
        raise ValueError(f"{where}: expected a JSON object, found {_short(row)}; {advice}")
    shaped: Json = checked(row, shape, where, advice)
    return shaped


def read_json(path: Path, shape: TypeAdapter[Any] = ANYTHING) -> Any:
    """The value in `path`, or None where it does not exist.

    Raises ValueError with file and key if it is not JSON of this shape.
    """
    if not os.path.lexists(path):
        return None
    advice = "copy the file again, or delete it"
    return checked(
        _parse(read_bytes(path, LARGEST_FILE), str(path), "JSON", advice), shape, str(path), advice
    )


def read_text(path: Path, largest: int = LARGEST_FILE) -> str:
    """The text in `path`. Raises ValueError for anything but an ordinary file with UTF-8 text."""
    content = read_bytes(path, largest)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}, line {line}: not UTF-8 text (byte {content[error.start]:#x}); copy the file again"
        ) from error


def checked(value: Any, shape: TypeAdapter[Any], where: str, advice: str) -> Any:
    """The value, if it has this shape. Raises ValueError with the first key that is otherwise."""
    try:
        shape.validate_python(value, strict=True)
        return value
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        key = f" {dotted(problem['loc'])}:" if problem["loc"] else ""
        raise ValueError(f"{where}:{key} {_problem(problem)}; {advice}") from error


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """What hinders a file from being written is told with the file, and what to do; the type stays."""
    try:
        yield
    except OSError as error:
        of_this = (None, str(path), str(path.parent), str(unfinished(path)))
        if error.strerror is None or error.filename not in of_this:  # of another file, or told already
            raise
        problem = "a folder" if path.is_dir() else error.strerror
        if error.filename == str(path.parent):
            problem = f"{path.parent}: {problem}"
        if isinstance(error, IsADirectoryError | NotADirectoryError | FileExistsError):
            todo = "move what is there elsewhere"
        elif isinstance(error, PermissionError):
            todo = "allow it to be written"
        else:  # a full disk, one that is only read
            todo = "make room, or name another place,"
        raise type(error)(
            f"{path}: {problem}; expected a file to be written there; {todo} and run the command again"
        ) from error


def plain(value: Any) -> Any:
    """`value` in JSON's own types: NumPy's numbers and arrays converted, non-finite numbers None.

    What JSON has nothing for, such as a path, or a date of a data file, is its text.
    """
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if hasattr(value, "tolist"):  # an array or a number of NumPy, which is not imported for this alone
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(entry) for entry in value]
    return value if isinstance(value, str | int) else str(value)


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(plain(row), ensure_ascii=False, allow_nan=False) + "\n"


def _parse(content: bytes, where: str, expected: str, advice: str) -> Any:
    try:
        return from_json(content, allow_inf_nan=False)
    except ValueError as error:
        raise ValueError(
            f"{where}: expected {expected}, found {_short(content)} ({error}); {advice}"
        ) from error


def _problem(problem: Any) -> str:
    """What is wrong with a value, in words."""
    if problem["type"] == "missing":
        return "the key is missing"
    said = problem["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"expected {said}, found {_short(problem['input'])}"


def _short(value: Any) -> str:
    return shown(value[:80].decode(errors="replace") if isinstance(value, bytes) else value, most=60)
