"""Journals of a labelling: what every voter answered, written as it comes so that no answer is lost.

They lie in the folder of the labels, a file a voter and kind of answer: `labels.VOTER.DIGEST[.KIND].journal`.
"""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from rlaudio.runs.files import LARGEST_ROWS
from rlaudio.utils.bounded_reading import open_to_append, read_bytes
from rlaudio.utils.file_locks import try_lock, unlock
from rlaudio.utils.messages import shown


class Journal(Mapping[str, Any]):
    """Answers by key in an append-only file: what was added before a kill is read back after it.

    Answers are texts, or lists of numbers under another `kind`. A last line that a kill cut off is dropped.
    A process with a `part` other than 0 writes to a file of its own, PATH.PART; all parts are read.
    Raises ValueError for any other line that is not in the format, BlockingIOError while another process has
    the file open.
    """

    def __init__(self, path: Path, kind: str = "text", part: int = 0) -> None:
        self._kind = kind
        path.parent.mkdir(parents=True, exist_ok=True)
        of_part = path.with_name(f"{path.name}.{part}") if part else path
        self._answers: dict[str, Any] = {}
        with ExitStack() as stack:
            self._file = stack.enter_context(_locked(of_part))
            parts = sorted({path, of_part, *path.parent.glob(f"{glob.escape(path.name)}.[0-9]*")})
            lines = {file: _whole_lines(read_bytes(file, LARGEST_ROWS)) for file in parts if file.exists()}
            for file in lines:
                self._answers |= _entries(file, lines[file], kind)
            self._file.truncate(len(lines[of_part]))
            stack.pop_all()  # it stays open

    def labelled(self, label: str) -> str:
        """The label of a progress over questions, which says where answers are read from here."""
        return f"{label} (answers that are kept are read, not asked again)" if self else label

    def add(self, answers: Mapping[str, Any]) -> None:
        """Append the answers and flush them, so that they are kept if this process is killed."""
        lines = [json.dumps({"prompt": key, self._kind: answer}) + "\n" for key, answer in answers.items()]
        self._file.write("".join(lines).encode())
        self._file.flush()
        self._answers.update(answers)

    def __getitem__(self, key: str) -> Any:
        return self._answers[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._answers)

    def __len__(self) -> int:
        return len(self._answers)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        unlock(self._file)
        self._file.close()


def journal_path(folder: Path, name: str, digest: str, kind: str = "") -> Path:
    """The file of a voter's answers of a kind, another one for each `digest` of its weights."""
    plain = "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
    return folder / f"labels.{plain}.{digest[:12]}{kind and '.'}{kind}.journal"


def _locked(file: Path) -> BinaryIO:
    """The file, open to append to, for this process alone.

    Raises BlockingIOError where another has it, and as `open_to_append`.
    """
    opened = os.fdopen(open_to_append(file), "ab")
    if not try_lock(opened):
        opened.close()
        raise BlockingIOError(
            f"{file}: another process is asking this voter; wait for it to end, or choose another folder"
        )
    return opened


def _whole_lines(content: bytes) -> bytes:
    """All but a last line that was cut off."""
    return content[: content.rfind(b"\n") + 1]


def _entries(file: Path, lines: bytes, kind: str) -> dict[str, Any]:
    """The answers in the whole lines of a file."""
    numbered = enumerate(lines.split(b"\n")[:-1], start=1)
    return dict(_entry(line, kind, f"{file}:{number}") for number, line in numbered)


def _entry(line: bytes, kind: str, where: str) -> tuple[str, Any]:
    try:
        entry = json.loads(line)
        if not _is_answer(entry[kind], kind):
            raise TypeError(f"found {shown(entry[kind], 80)} as {kind}")
        return entry["prompt"], entry[kind]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{where}: not an answer of a voter ({error}); delete the file to ask this voter again"
        ) from error


def _is_answer(value: Any, kind: str) -> bool:
    if kind == "text":
        return isinstance(value, str)
    return isinstance(value, list) and all(isinstance(entry, int | float) for entry in value)
