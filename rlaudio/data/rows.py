"""Rows of .jsonl, .json and Parquet files, fields checked by type; messages name the file and the line."""

from __future__ import annotations

import io
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from pydantic_core import from_json

from rlaudio.data.bad_rows import MALFORMED, BadRow
from rlaudio.utils.foreign_formats import HEAD, no_text
from rlaudio.utils.messages import printable, shown
from rlaudio.utils.plain_yaml import DEEPEST

# Beyond these a row is refused before it is parsed or walked through.
MAX_CHARACTERS = 16 * 2**20  # of a row; one of AudioMCQ with its chains of thought has about 10,000
_BUFFER = 2**20  # bytes that are read at a time
MAX_DIGITS = 300  # of a whole number: what a float can hold

_PARQUET = b"PAR1"


class FieldError(ValueError):
    """A field of a row is missing or is not what is expected; `fault` says so without the place."""

    def __init__(self, where: str, fault: str, kind: str = MALFORMED):
        super().__init__(f"{printable(where)}: {fault}")
        self.fault, self.kind = fault, kind


NO_LINE = -1  # offset of a row that has no line of its own


class JsonRow(NamedTuple):
    """One object of a file. Every getter raises FieldError where a field is not what it gives."""

    where: str  # "train.jsonl:12"
    fields: Mapping[str, Any]
    offset: int = NO_LINE  # byte of the file at which its line begins

    def text(self, *names: str, default: str | None = None, empty: bool = False) -> str:
        """The first of the fields `names` that is present, as text; numbers are converted.

        An empty text is refused unless `empty`.
        """
        value = self._first(names, required=default is None)
        if value is None and default is not None:
            return default
        if not _is_text_or_number(value) or (value == "" and not empty):
            raise self.wrong(names[0], value, "text")
        return str(value)

    def texts(self, *names: str) -> tuple[str, ...]:
        """The first of the fields `names` that is present, as a list of texts."""
        values = self._first(names, required=True)
        if not isinstance(values, list) or not values or not all(map(_is_text_or_number, values)):
            raise self.wrong(names[0], values, "a list of texts")
        return tuple(str(value) for value in values)

    def number(self, name: str) -> float | None:
        """The field as a number; None where it is absent. Raises ValueError for anything else."""
        value = self.fields.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise self.wrong(name, value, "a number")
        return None if value is None else float(value)

    def flag(self, name: str) -> bool | None:
        """The field as true or false; None where it is absent. Raises ValueError for anything else."""
        value = self.fields.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(name, value, "true or false")
        return value

    def mapping(self, name: str) -> Mapping[str, Any]:
        """The field as an object; an empty one where it is absent."""
        value = self.fields.get(name)
        if value is not None and not isinstance(value, dict):
            raise self.wrong(name, value, "an object")
        return value or {}

    def wrong(self, name: str, value: Any, expected: str, kind: str = MALFORMED) -> FieldError:
        """The error that says what the field is and what was expected."""
        return FieldError(self.where, f'"{name}" is {shown(value)}; expected {expected}', kind)

    def bad(self, faults: Iterable[str], kind: str = MALFORMED) -> list[BadRow]:
        """A bad row for every fault."""
        id = self.fields.get("id")
        return [
            BadRow(kind, fault, self.where, str(id) if _is_text_or_number(id) else "") for fault in faults
        ]

    def _first(self, names: tuple[str, ...], *, required: bool) -> Any:
        for name in names:
            if self.fields.get(name) is not None:
                return self.fields[name]
        if required:
            raise FieldError(self.where, f'no field "{names[0]}"; found: {self.present()}')
        return None

    def present(self) -> str:
        """The names of the fields that are there, for messages."""
        present = [name for name in sorted(self.fields) if self.fields[name] is not None]
        return ", ".join(present[:20]) + (", ..." if present[20:] else "") if present else "nothing"


def row_id(number: int) -> str:
    """The id of a row that states none, by its number from 1 over all files of its data set."""
    return f"row_{number}"


_new_row = tuple.__new__


def gather(getters: Mapping[str, Callable[[], Any]]) -> tuple[dict[str, Any], list[FieldError]]:
    """What the getters give, by name, and the errors of those that raise FieldError."""
    values, errors = {}, []
    for name, getter in getters.items():
        try:
            values[name] = getter()
        except FieldError as error:
            errors.append(error)
    return values, errors


def read_json_rows(file: Path) -> Iterator[JsonRow]:
    """The rows of a file in which no row may be bad. Raises ValueError at the first that is."""
    for row in scan_rows(file):
        if isinstance(row, BadRow):
            raise ValueError(str(row))
        yield row


def scan_rows(file: Path, *, one_object: bool = False) -> Iterator[JsonRow | BadRow]:
    """The rows of a Parquet file, the objects of a .jsonl file (one a line) or of the list in a .json file.

    Empty lines are skipped. A .json file may also have one object a line, and with `one_object` be one.
    A row that cannot be read comes as one bad row or several, one for every fault. Raises ValueError where
    the file as a whole cannot be read.
    """
    if _check_format(file) == _PARQUET or file.suffix == ".parquet":
        from rlaudio.data.parquet import scan_parquet  # pyarrow takes 0.2 s to import

        yield from (JsonRow(where, fields) for where, fields in scan_parquet(file))
        return
    yield from _items(file, one_object) if file.suffix == ".json" else _line_rows(file)


def _checked(where: str, value: Any, offset: int = NO_LINE) -> Iterator[JsonRow | BadRow]:
    """The row, or a bad row for everything that is wrong with it."""
    if isinstance(value, _Fault):
        yield BadRow(MALFORMED, value.text, where)
        return
    faults = list(islice(_faults(value), 20))  # damage may repeat without end
    fields = value if isinstance(value, dict) else {}
    if not isinstance(value, dict) and not faults:
        faults = [f"holds {_kind(value)}; expected an object with named fields"]
    if faults:
        yield from JsonRow(where, fields).bad(faults)
    else:
        yield JsonRow(where, fields, offset)


# --- files to values -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Fault:
    """Stands where JSON holds something that is no value."""

    text: str


def _check_format(file: Path) -> bytes:
    """The first four bytes. Raises ValueError where they are those of a format that is not read."""
    if not file.is_file():
        what = "a folder" if file.is_dir() else "a pipe or a device" if file.exists() else "no such file"
        what = "a link that leads nowhere" if file.is_symlink() and not file.exists() else what
        raise ValueError(f"{printable(str(file))}: {what}; expected a file of rows")
    with file.open("rb") as content:
        head = content.read(HEAD)
    if foreign := no_text(head):
        raise ValueError(f"{printable(str(file))}: is {foreign.what}; expected JSON in UTF-8; {foreign.todo}")
    if b"\0" in head[:8] and not head.startswith(_PARQUET) and file.suffix != ".parquet":
        fault = "is no text in UTF-8: zero bytes stand at its beginning, as in UTF-16"
        raise ValueError(f"{printable(str(file))}: {fault}; expected JSON in UTF-8")
    return head[:4]


def _line_rows(file: Path) -> Iterator[JsonRow | BadRow]:
    """The rows of a file with one object a line."""
    place = str(file)
    for number, offset, line in _lines(file):
        where = f"{place}:{number}"
        if line is None:
            fault = f"longer than {MAX_CHARACTERS:,} bytes; expected one object of one question"
            yield BadRow(MALFORMED, fault, where)
        elif (fields := _sound_object(line)) is not None:
            yield _new_row(JsonRow, (where, fields, offset))  # skips a function of Python
        elif (text := line.decode(errors="surrogateescape").lstrip("\ufeff")).strip("\ufeff \t\r\n"):
            yield from _checked(where, _parse(text), offset)


def _lines(file: Path) -> Iterator[tuple[int, int, bytes | None]]:
    """Number, first byte and content of every line; no content of one that is too long."""
    with file.open("rb", buffering=_BUFFER) as opened:
        content: BinaryIO = opened
        if _ends_lines_by_carriage_returns(content):
            content = io.BytesIO(content.read().replace(b"\r", b"\n"))
        offset, is_behind_utf_16 = 0, False
        for number in count(1):
            line = content.readline(MAX_CHARACTERS + 1)
            if not line:
                return
            too_long = len(line) > MAX_CHARACTERS and not line.endswith(b"\n")
            rest = int(is_behind_utf_16 and line.startswith(b"\0"))  # of the line end before it
            yield number, offset + rest, None if too_long else line[rest:]
            is_behind_utf_16 = line.endswith(b"\0\n")
            offset += len(line)
            while too_long and line and not line.endswith(b"\n"):
                line = content.readline(MAX_CHARACTERS)
                offset += len(line)


def _ends_lines_by_carriage_returns(content: BinaryIO) -> bool:
    """Whether the first line ends as on old Macs."""
    head = content.read(2**16)
    content.seek(0)
    return b"\n" not in head and b"}\r" in head


def _sound_object(line: bytes) -> dict[str, Any] | None:
    """The object of a line that can hold none of the faults that `_faults` looks for; else None.

    Of half a million lines almost all are such, and walking through all their values takes longer than
    parsing them.
    """
    if (flat := _object_of_texts(line)) is not None:
        return flat
    if line.count(b"{") + line.count(b"[") > DEEPEST:
        return None
    if b"\\" in line and (b"\\ud" in line or b"\\uD" in line):  # perhaps half of a character
        return None
    try:
        text = line.decode()
        value, end = _SCAN(text, 0)
    except (ValueError, StopIteration, RecursionError):
        return None
    return value if type(value) is dict and (text[end:] == "\n" or not text[end:].strip()) else None


def _object_of_texts(line: bytes) -> dict[str, Any] | None:
    """The object of a line that holds texts and at most one list of them, and no escapes; else None.

    Most lines are such. The parser that is fastest does not tell that a name stands twice; here it shows, as
    there are two quotation marks for every text.
    """
    if b"\\" in line or line.find(b"{", 1) >= 0 or line.find(b"[", line.find(b"[") + 1) >= 0:
        return None
    try:
        fields = from_json(line, cache_strings="keys")
    except ValueError:
        return None
    if fields.__class__ is not dict:
        return None
    texts = len(fields)
    for value in fields.values():
        if value.__class__ is str:
            texts += 1
        elif value.__class__ is list:
            for entry in value:
                if entry.__class__ is not str:
                    return None
            texts += len(value)
        elif value is not None and value.__class__ is not bool:  # a number has limits
            return None
    return fields if line.count(b'"') == 2 * texts else None


def _parse(text: str) -> Any:
    if "\0" in text and text.strip("\0 \t\r\n"):
        return _Fault(
            f"a zero byte at column {text.index(chr(0)) + 1}, as text in UTF-16 has them; expected UTF-8; "
            "write the line anew, or remove it"
        )
    stray = None if text.isascii() else _STRAY_BYTE.search(text)
    if stray:
        return _Fault(
            f"byte 0x{ord(stray.group()) - 0xDC00:02x} at column {stray.start() + 1} is not UTF-8; save the "
            "file as UTF-8 where all of it is in another encoding (iconv -f LATIN1 -t UTF-8, if it is that), "
            "else write the line anew"
        )
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        return _Fault(f"not JSON ({_message(error)} at column {error.colno}); fix or remove the line")
    except RecursionError:
        return _Fault(_TOO_DEEP)


def _items(file: Path, one_object: bool) -> Iterator[JsonRow | BadRow]:
    """The rows of the list in a file, or of its lines where the first of them is an object."""
    name = printable(str(file))
    text = file.read_text(encoding="utf-8-sig", errors="surrogateescape")
    try:
        rows = _decoded(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and _begins_with_an_object(file):
            yield from _line_rows(file)
            return
        if one_object and not text.lstrip().startswith("[") and "\n{" not in text:  # of the one row
            yield BadRow(MALFORMED, f"not JSON ({_message(error)}); fetch it again", f"{file}:{error.lineno}")
            return
        raise ValueError(f"{name}:{error.lineno}: not JSON ({_message(error)})") from error
    except RecursionError as error:
        raise ValueError(f"{name}: {_TOO_DEEP}") from error
    if isinstance(rows, dict) and one_object:
        yield from _checked(str(file), rows)
        return
    if not isinstance(rows, list):
        raise ValueError(f"{name}: holds {_kind(rows)}; expected a list of objects")
    for number, row in enumerate(rows, start=1):
        yield from _checked(f"{file}: item {number}", row)


def _begins_with_an_object(file: Path) -> bool:
    return isinstance(next(_line_rows(file), None), JsonRow)


def _message(error: json.JSONDecodeError) -> str:
    return error.msg.removesuffix(" at")  # a place follows


_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


def _decoded(text: str) -> Any:
    """The value of a file; of what is nested too deep for Python only its upper levels."""
    try:
        return _DECODER.decode(text)
    except RecursionError:
        return _DECODER.decode(_cut_down(text))


def _cut_down(text: str) -> str:
    """The text with what is nested too deep cut down to one level beyond DEEPEST, which `_faults` tells."""
    kept, depth, end = [], 0, 0
    for match in _STRING_OR_BRACKET.finditer(text):
        sign = match.group()
        if sign in "[{":
            depth += 1
            if depth == _CUT:
                kept.append(text[end : match.start()] + "[]")
        elif sign in "]}":
            if depth == _CUT:
                end = match.end()
            depth -= 1
    return "".join([*kept, text[end:]]) if kept and depth == 0 else text


_CUT = DEEPEST + 3  # the list, its objects, and one level too deep
_STRAY_BYTE = re.compile("[\udc80-\udcff]")  # as Python decodes a byte that is not UTF-8
_TOO_DEEP = f"lists and objects are nested more than {DEEPEST} deep; expected the fields of a question"


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        fields |= {
            name: _Fault(f"stands {times} times in one object; keep one")
            for name, times in counts.items()
            if times > 1
        }
    return fields


def _integer(digits: str) -> int | _Fault:
    if len(digits) <= MAX_DIGITS:
        return int(digits)
    return _Fault(f"is a number of {len(digits)} digits; expected at most {MAX_DIGITS}")


def _constant(name: str) -> _Fault:
    return _Fault(f"is {name}, which JSON does not have; expected a number or null")


def _strict_object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a name stands twice")
    return fields


def _strict_integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError("too many digits")
    return int(digits)


def _strict_float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("too large")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


_STRICT = json.JSONDecoder(
    object_pairs_hook=_strict_object,
    parse_int=_strict_integer,
    parse_float=_strict_float,
    parse_constant=_refuse_constant,
)
_SCAN = _STRICT.scan_once  # type: ignore[attr-defined]  # `decode` without looking for spaces around
_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_constant=_constant)


# --- faults of values ----------------------------------------------------------------------------

_SURROGATE = re.compile("[\ud800-\udfff]")


def _faults(value: Any, key: str = "", depth: int = 0) -> Iterator[str]:
    """What is wrong with a value or in it, each fault with its key."""
    what = json.dumps(key[:80]) if key else "the row"
    if depth > DEEPEST:
        yield _TOO_DEEP
    elif isinstance(value, _Fault):
        yield f"{what} {value.text}"
    elif isinstance(value, str):
        half = None if value.isascii() else _SURROGATE.search(value)
        if half:
            yield (
                f"{what} holds {half.group()!r}, half of a character or a byte that is not UTF-8; "
                "write the text anew"
            )
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{what} is a number too large for a computer; expected one below 1e308"
    elif isinstance(value, dict):
        for name, entry in value.items():
            yield from _faults(entry, f"{key}.{name}" if key else name, depth + 1)
            if not name.isascii() and _SURROGATE.search(name):
                yield f"the name {name[:80]!r} holds half of a character; write it anew"
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            yield from _faults(entry, f"{key}[{number}]", depth + 1)


_KINDS = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
}


def _kind(value: Any) -> str:
    """What a value is in JSON's words."""
    return _KINDS.get(type(value), "null")


def _is_text_or_number(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)
