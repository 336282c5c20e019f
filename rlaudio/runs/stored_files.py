"""The files of one run folder, which may come from somebody else: read within it, and damage is told."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from rlaudio.runs import shapes
from rlaudio.runs.files import Json, checked, lines, parse_row, read_json, read_text
from rlaudio.utils.bounded_reading import read_bytes
from rlaudio.utils.number_format import counted
from rlaudio.utils.plain_yaml import parse_plain_yaml

T = TypeVar("T")
logger = logging.getLogger(__name__)


class StoredFiles:
    """Reads the files of a folder by their names in it.

    A name that leads out of the folder, over a link or "..", is damage as well. Damage is raised as
    ValueError; with `leave_out` what is damaged is left out, and `left_out` says so.
    """

    def __init__(self, folder: Path, *, leave_out: bool = False):
        self.folder = folder
        self.left_out: list[str] = []
        self._leave_out = leave_out

    def yaml(self, name: str, shape: TypeAdapter[Any], largest: int) -> tuple[str, Json]:
        """Text and value of a YAML file, which must be there and whole."""
        path = self.path_of(name)
        text = read_text(path, largest)
        return text, checked(parse_plain_yaml(text, str(path)), shape, str(path), "correct the file")

    def json(self, name: str, shape: TypeAdapter[Any]) -> Any:
        """The value of a JSON file, None where it is not there."""
        return self.optional(lambda: read_json(self.path_of(name), shape), None)

    def rows(self, name: str, shape: TypeAdapter[Any], *, appended: bool = False) -> list[Json]:
        """The rows of a file with a JSON object a line, none where it is not there.

        Where rows are `appended` a last one that a kill cut off is no damage.
        """
        rows: list[Json] = []
        damaged: list[str] = []

        def read() -> None:
            path = self.path_of(name)
            for number, line in lines(path, appended=appended):
                try:
                    rows.append(parse_row(path, number, line, shape))
                except ValueError as error:
                    if not self._leave_out:
                        raise
                    damaged.append(str(error))

        self.optional(read, None)
        if damaged:
            others = f" (and {len(damaged) - 1} more lines)" if len(damaged) > 1 else ""
            self.left_out.append(f"{damaged[0]}{others}")
        return rows

    def answers(self, name: str, table: Json | None) -> list[Json]:
        """The single answers of an evaluation, as many as its `table` says; none where there is no file."""
        known = len(self.left_out)
        rows = self.rows(name, shapes.ANSWER)
        path = self.folder / name
        if table and len(self.left_out) == known and os.path.lexists(path):
            self.optional(lambda: _check_count(path, rows, table), None)
        return rows

    def bytes(self, name: str, largest: int) -> bytes:
        """The content of a file, which must be there. Raises ValueError, OSError."""
        return read_bytes(self.path_of(name), largest)

    def optional(self, read: Callable[[], T], otherwise: T) -> T:
        """What `read` gives; where it is damaged, and is to be left out, the other value."""
        try:
            return read()
        except (ValueError, OSError) as error:
            if not self._leave_out:
                raise
            self.left_out.append(str(error))
            return otherwise

    def warn_of_damage(self) -> None:
        """Say what is left out where a command is watched, as its page does."""
        for damage in self.left_out:
            logger.warning("left out, because it is damaged: %s", damage)

    def path_of(self, name: str) -> Path:
        """The path of a file in this folder. Raises ValueError for one outside it."""
        path = self.folder / name
        try:
            there = path.resolve()
        except (OSError, RuntimeError) as error:  # links in a circle
            raise ValueError(f"{path}: cannot be followed ({error}); delete it") from error
        if not there.is_relative_to(self.folder.resolve()):
            raise ValueError(
                f"{path}: leads to {there}, outside the run folder; expected a file in it; delete the link, "
                "or copy the file to its place"
            )
        return path


def _check_count(path: Path, answers: list[Json], table: Json) -> None:
    """Raise ValueError where there are not as many answers as the table of their evaluation says."""
    questions, controls = table["tables"]["all"]["all"]["questions"], len(table["predicted_positions"])
    if questions * controls not in (0, len(answers)):
        raise ValueError(
            f"{path}: {counted(len(answers), 'answer')}; expected {questions * controls}, to "
            f"{counted(questions, 'question')} under {counted(controls, 'control')}, as the tables of the "
            "evaluation say; copy the file again"
        )
