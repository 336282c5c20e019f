"""One row on its way to a question: each getter gives a value, and what is wrong is kept, not raised.

So a format reads like the question that it makes, and all faults of a row are told at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rlaudio.data.audio_paths import AudioRoot, OutsideRootError
from rlaudio.data.bad_rows import MALFORMED
from rlaudio.data.embedded import encode_samples, write_embedded
from rlaudio.data.labels_file import LabelsFile
from rlaudio.data.rows import NO_LINE, FieldError, JsonRow
from rlaudio.data.stored_texts import StoredTexts
from rlaudio.types import Choice
from rlaudio.utils.messages import shown

T = TypeVar("T")

# What file systems of Linux and macOS allow, in bytes.
_LONGEST_NAME = 255
_LONGEST_PATH = 4096
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # in a path they spoil every message

NOTHING: Mapping[str, Any] = {}  # one for all rows: half a million empty ones take 30 MB


class Sharing:
    """What the rows of one data set have in common: paths and groups, each kept once, and who is read."""

    def __init__(self, root: AudioRoot) -> None:
        self.root = root
        self.clips: dict[str, tuple[Path]] = {}  # path as stated -> the clips of a question about it alone
        self.read: set[str] = set()  # names of fields that a getter was asked for
        self.made: dict[tuple[Any, ...], Mapping[str, str]] = {}  # groups by the values they are made of
        self.large_file: Path | None = None  # that is being read
        self.labels = LabelsFile()  # beside it
        self._groups: dict[tuple[tuple[str | None, ...], ...], Mapping[str, str]] = {}

    def known_clip(self, stated: str) -> tuple[Path] | None:
        """The clip of a path that was met before, or in which nothing can be wrong; None for any other."""
        known = self.clips.get(stated)
        if known is None and stated.isascii() and stated.isprintable() and len(stated) <= _LONGEST_NAME:
            path = self.root.plain(stated)
            if path is not None:
                known = self.clips[stated] = (path,)
        return known

    def groups(self, names: tuple[str, ...], values: tuple[str | None, ...]) -> Mapping[str, str]:
        """The groups whose names are known; the same mapping for the same ones."""
        key = (names, values)
        if key not in self._groups:
            pairs = zip(names, values, strict=True)
            self._groups[key] = {name: value for name, value in pairs if value}
        return self._groups[key]


class Fields:
    """The fields of a row, by type. Where one is wrong a getter gives a stand-in and `faults` has a reason.

    Half a million rows pass through here: what is usual is looked at first, and takes no further call.
    """

    __slots__ = ("_read", "_sharing", "faults", "fields", "row")

    def __init__(self, row: JsonRow, sharing: Sharing) -> None:
        self.row = row
        self.fields = row.fields
        self.faults: list[FieldError] = []
        self._sharing = sharing
        self._read = sharing.read

    @property
    def where(self) -> str:
        """File and line."""
        return self.row.where

    @property
    def root(self) -> AudioRoot:
        """What audio paths are relative to."""
        return self._sharing.root

    def text(self, *names: str, default: str | None = None, empty: bool = False) -> str:
        """As `JsonRow.text`."""
        value: Any = self.fields.get(names[0])
        if value.__class__ is str and (value or empty) and names[0] in self._read:
            return value
        value = self.value(*names)
        if value is None and default is not None:
            return default
        return self.tried(lambda: self.row.text(*names, default=default, empty=empty), "")

    def texts(self, *names: str) -> tuple[str, ...]:
        """As `JsonRow.texts`."""
        values = self.value(*names)
        if values.__class__ is list and values:
            for value in values:
                if value.__class__ is not str:
                    break
            else:
                return tuple(values)
        return self.tried(lambda: self.row.texts(*names), ())

    def flag(self, name: str) -> bool | None:
        """As `JsonRow.flag`."""
        return None if self.value(name) is None else self.tried(lambda: self.row.flag(name), None)

    def number(self, name: str) -> float | None:
        """As `JsonRow.number`."""
        return None if self.value(name) is None else self.tried(lambda: self.row.number(name), None)

    def mapping(self, name: str) -> Mapping[str, Any]:
        """As `JsonRow.mapping`."""
        return NOTHING if self.value(name) is None else self.tried(lambda: self.row.mapping(name), NOTHING)

    def value(self, *names: str) -> Any:
        """The first of these fields that is there, as it is; None where none is."""
        name = names[0]
        if name not in self._read:
            self._read.update(names)
        value = self.fields.get(name)
        if value is None and len(names) > 1:
            return self.value(*names[1:])
        return value

    def choice(self, options: Sequence[str], answer: str | None) -> Choice:
        """One of the options: the first with the answer's text. None: the answer is not published."""
        if answer is None:
            return Choice(tuple(options), None)
        return Choice(tuple(options), options.index(answer) if answer in options else None, answer)

    def groups(self, *names: str, **renamed: str) -> Mapping[str, str]:
        """Fields that say what the question belongs to, by their names or (`source="dataset"`) by another.

        What is null or empty is left out, and the items of a list are joined.
        """
        fields = (*names, *renamed.values())
        self._read.update(fields)
        return self._sharing.groups((*names, *renamed), tuple(map(self._group, fields)))

    def made_of(
        self, names: tuple[str, ...], make: Callable[[Fields], Mapping[str, str]]
    ) -> Mapping[str, str]:
        """What `make` makes of fields that few values are in; made once for equal ones."""
        key = tuple(map(self.fields.get, names))
        try:
            return self._sharing.made[key]
        except (KeyError, TypeError):  # TypeError: a list or an object, which is no group
            made = make(self)
            if not self.faults:
                self._sharing.made[key] = made
            return made

    def named_groups(self, groups: Mapping[str, str]) -> Mapping[str, str]:
        """The groups that are not empty; the same mapping for the same ones."""
        return self._sharing.groups(tuple(groups), tuple(groups.values()))

    def clips(self, *names: str) -> tuple[Path, ...]:
        """The audio in the first of these fields that is there: none, one or several clips."""
        value = self.value(*names)
        if value is None or value == "":
            return ()
        values = value if isinstance(value, list) else [value]
        name = next(name for name in names if self.fields.get(name) is not None)
        return tuple(clip for entry in values if (clip := self._clip(name, entry)))

    def clip(self, *names: str) -> tuple[Path, ...]:
        """As `clips`, exactly one."""
        value = self.value(*names)
        if value.__class__ is str and (known := self._sharing.known_clip(value)):
            return known
        before = len(self.faults)
        clips = self.clips(*names)
        if len(clips) != 1 and len(self.faults) == before:
            self.tried(lambda: self.row.text(*names), "")  # says what is there instead of a path
            if len(self.faults) == before:
                self.wrong_field(names[0], "one audio file")
        return clips

    def clip_at(self, name: str, stated: str) -> tuple[Path, ...]:
        """The audio file of a path that the format makes of the field `name`."""
        self._read.add(name)
        return () if (path := self._path(name, stated)) is None else (path,)

    def long_texts(self, id: str, names: Mapping[str, str], read: Callable[[str], str]) -> Mapping[str, str]:
        """What `read` makes of text fields, by name; those of a large file stay there until asked for."""
        offset, large = self.row.offset, self._sharing.large_file
        if large is None or offset == NO_LINE:
            return {name: read(self.fields[field]) for name, field in names.items()}
        return StoredTexts(large, offset, id, names, read)

    def rest(self, *others: str) -> Mapping[str, Any]:
        """The fields that no getter was asked for, in this row or an earlier one, nor `others`; no audio."""
        left = self.unread(*others)
        return {name: value for name, value in left.items() if not holds_audio(value)} if left else NOTHING

    def unread(self, *others: str) -> Mapping[str, Any]:
        """As `rest`, those with audio included."""
        read = self._read
        return {name: value for name, value in self.fields.items() if name not in read and name not in others}

    def whole(self) -> Mapping[str, Any]:
        """All fields of the row, which a benchmark's own script wants beside a prediction; no audio."""
        return {name: value for name, value in self.fields.items() if not holds_audio(value)}

    def over(self, more: Mapping[str, Any]) -> Fields:
        """The row with `more` fields where it has none of their names; faults are kept together."""
        whole = Fields(self.row._replace(fields={**more, **self.fields}), self._sharing)
        whole.faults = self.faults
        return whole

    def wrong(self, fault: str, kind: str = MALFORMED) -> None:
        """Keep what is wrong with the row."""
        self.faults.append(FieldError(self.row.where, fault, kind))

    def wrong_field(self, name: str, expected: str, kind: str = MALFORMED) -> None:
        """Keep that a field is not what was expected."""
        self.faults.append(self.row.wrong(name, self.fields.get(name), expected, kind))

    def tried(self, getter: Callable[[], T], default: T) -> T:
        """What a getter gives; `default` where it raises FieldError, which is kept."""
        try:
            return getter()
        except FieldError as error:
            self.faults.append(error)
            return default

    def _group(self, name: str) -> str | None:
        value = self.fields.get(name)
        if value is None or value.__class__ is str:
            return value
        values = value if isinstance(value, list) else [value]
        if any(isinstance(entry, dict | list) for entry in values):
            self.wrong_field(name, "a text, or a list of texts")
            return None
        return ", ".join(str(entry) for entry in values if entry is not None)

    def _clip(self, name: str, value: Any) -> Path | None:
        """A path of the row, or audio that the row holds itself, as a file."""
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return self._path(name, str(value))
        if isinstance(value, bytes):
            value = {"bytes": value}
        if not isinstance(value, dict):
            self.wrong(f'"{name}" is {shown(value)}; expected text: the path of an audio file')
            return None
        stated, content = str(value.get("path") or ""), value.get("bytes")
        if isinstance(content, bytes) and content:
            return write_embedded(content, stated)
        if value.get("array") is not None:
            try:
                return write_embedded(encode_samples(value["array"], value.get("sampling_rate") or 0), ".wav")
            except ValueError as error:
                expected = "numbers by frame, or by frame and channel, and a rate in Hz"
                self.wrong(f'"{name}" holds {error}; expected {expected}')
                return None
        if stated:
            return self._path(name, stated)
        self.wrong(f'"{name}" holds neither bytes nor a path; expected audio')
        return None

    def _path(self, name: str, stated: str) -> Path | None:
        if known := self._sharing.known_clip(stated):
            return known[0]
        path = self.tried(lambda: self._checked_path(name, stated), None)
        if path is not None:
            self._sharing.clips[stated] = (path,)
        return path

    def _checked_path(self, name: str, stated: str) -> Path | None:
        parts = [len(part.encode(errors="surrogatepass")) for part in stated.split("/")]
        if _CONTROL.search(stated) or max(parts) > _LONGEST_NAME or sum(parts) > _LONGEST_PATH:
            expected = (
                f"a path without control characters, of names of at most {_LONGEST_NAME} bytes, "
                f"{_LONGEST_PATH} in all"
            )
            raise self.row.wrong(name, stated, expected)
        try:
            return self.root.path(stated)
        except OutsideRootError as error:
            raise self.row.wrong(name, stated, str(error), "audio outside the root") from error
        except ValueError as error:
            raise self.row.wrong(name, stated, str(error)) from error


def holds_audio(value: Any) -> bool:
    """Whether a field's value is, or has anywhere in it, bytes or samples."""
    if isinstance(value, dict):
        return {"array", "sampling_rate"} <= value.keys() or any(map(holds_audio, value.values()))
    return isinstance(value, bytes) or (isinstance(value, list) and any(map(holds_audio, value)))
