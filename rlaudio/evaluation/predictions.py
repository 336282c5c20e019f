"""Answers that something else wrote into a file, scored as an evaluation: every question counts.

A benchmark's own script leaves out what has no prediction, so its accuracy grows by what is missing. Here the
official rule stands beside one by which a missing answer is wrong.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlaudio.data.bad_rows import BadRow
from rlaudio.data.fields import holds_audio
from rlaudio.data.rows import row_id, scan_rows
from rlaudio.evaluation.accuracy import Evaluation
from rlaudio.evaluation.answer_rows import AnswerRow
from rlaudio.evaluation.asking import check_published, provenance_of
from rlaudio.evaluation.harness_rows import RESPONSES, plain_rows
from rlaudio.scorers.calling import verdicts_on
from rlaudio.types import Dataset, Scorer, Verdict
from rlaudio.utils.foreign_formats import HEAD, no_text
from rlaudio.utils.messages import printable
from rlaudio.utils.number_format import counted

ID_KEYS = ("id", "question_id", "question")  # the last one is DCASE's submission, whose questions are ids
KEYS = (
    *("model_output", "answer_prediction", "model_prediction", "prediction", "response", "output", "text"),
    *RESPONSES,
)
_SHOWN = 5
_LARGEST = 256 * 2**20  # bytes of a CSV file
_LINE_BREAK = re.compile(r"\r\n?|\n")
_STRAY_BYTE = re.compile("[\udc80-\udcff]")  # as Python decodes a byte that is not UTF-8


@dataclass(frozen=True)
class Predictions:
    """What a file says of questions, by id; None for a row without a prediction."""

    path: Path
    key: str  # that the predictions stand under
    by_id: Mapping[str, str | None]
    nulls: frozenset[str] = frozenset()  # ids of those without a prediction whose row has the key
    repeated: tuple[str, ...] = ()  # ids that stand in several rows, of which the first is taken
    other_keys: tuple[str, ...] = ()  # that could have been meant, where none was named

    def missing(self, questions: Dataset) -> list[str]:
        """Ids of the questions that have no row."""
        return [question.id for question in questions if question.id not in self.by_id]

    def unknown(self, questions: Dataset) -> list[str]:
        """Ids of the rows that are of no question."""
        known = {question.id for question in questions}
        return [id for id in self.by_id if id not in known]

    def notes(self, questions: Dataset) -> list[str]:
        """What is odd about the file, as lines of text."""
        empty = [id for id, text in self.by_id.items() if text is None]
        kinds = {
            "without a row, wrong by the strict rule": self.missing(questions),
            "of no question of the benchmark, left out": self.unknown(questions),
            "in several rows, the first one taken": list(self.repeated),
            f"without {self.key!r} in their row, wrong by the strict rule": empty,
        }
        return [f"{counted(len(ids), 'id')} {what}: {_some(ids)}" for what, ids in kinds.items() if ids]


def read_predictions(path: Path, key: str | None = None, expected: str | None = None) -> Predictions:
    """The predictions of a .json, .jsonl, .csv or .parquet file, also as lm-eval and Inspect write them.

    They stand under `key`; where none is given under the benchmark's `expected` one, or another that is known
    (`KEYS`). Rows of a Parquet file without ids have those of MMAU-Pro, by their number. Raises ValueError
    with the place of the first row that cannot be used.
    """
    rows = list(_rows(path))
    fields = list(dict.fromkeys(field for _, row in rows for field in row))
    if path.suffix == ".parquet" and not {"id", "question_id"} & set(fields):
        rows = [(where, {**row, "id": row_id(n)}) for n, (where, row) in enumerate(rows, start=1)]
        fields.append("id")
    in_csv = ["answer"] if path.suffix == ".csv" else []  # elsewhere that is the right one
    known = list(dict.fromkeys([*filter(None, [expected]), *KEYS, *in_csv]))
    named = key or (expected if expected in fields else None)
    key = _first(known if key is None else [key], fields, path, "name the key of the predictions with --key")
    others = () if named else tuple(other for other in known if other in fields and other != key)
    id_key = _first(ID_KEYS, fields, path, "add the ids of the questions")
    if key == id_key:
        raise ValueError(f"{printable(str(path))}: {key!r} holds the ids; name another key with --key")
    by_id: dict[str, str | None] = {}
    nulls, repeated = set(), []
    for where, row in rows:
        id, text = _pair(where, row, id_key, key)
        if id in by_id:
            repeated.append(id)
            continue
        by_id[id] = text
        if text is None and key in row:
            nulls.add(id)
    return Predictions(path, key, by_id, frozenset(nulls), tuple(dict.fromkeys(repeated)), others)


def score(questions: Dataset, predictions: Predictions, scorers: Mapping[str, Scorer]) -> Evaluation:
    """The predictions as an evaluation: strict by the first of the scorers, official by the benchmark's own.

    The strict rule calls a missing answer wrong; the official one does what its script does.
    Raises ValueError where no prediction is of a question.
    """
    if not any(question.id in predictions.by_id for question in questions):
        raise ValueError(
            f"{printable(str(predictions.path))}: none of its ids is of a question; found "
            f"{_some(list(predictions.by_id))}; expected ids such as {_some([q.id for q in questions])}"
        )
    check_published(questions)
    texts = [predictions.by_id.get(question.id) for question in questions]
    strict = verdicts_on([(q, text or "") for q, text in zip(questions, texts, strict=True)], scorers)
    official = _official_verdicts(questions, texts, predictions)
    rows = []
    for question, text, by_scorer, by_benchmark in zip(questions, texts, strict, official, strict=True):
        stated = questions.contributions.get(question.id)
        label = stated.label if stated else None
        rows.append(
            AnswerRow(question, "audio", question.id, text or "", by_scorer | by_benchmark, False, label)
        )
    asked = {name: value for name, value in provenance_of(questions).items() if name != "style"}
    return Evaluation(tuple(rows), seed=0, provenance=asked | {"predictions": predictions.path.name})


def _official_verdicts(
    questions: Dataset, texts: Sequence[str | None], predictions: Predictions
) -> Iterator[dict[str, Verdict]]:
    """The benchmark's verdict on every question, by its name; empty where the data is of none."""
    benchmark = questions.benchmark
    if benchmark is None:
        yield from ({} for _ in questions)
        return
    pairs = list(zip(questions, texts, strict=True))
    stated = [(question, text) for question, text in pairs if text is not None]
    verdicts = iter(verdicts_on(stated, {benchmark.name: benchmark.scorer}))
    for question, text in pairs:
        if text is not None:
            yield next(verdicts)
            continue
        has_row = question.id in predictions.by_id and question.id not in predictions.nulls
        counted = has_row and benchmark.counts_missing
        yield {benchmark.name: Verdict(False, None, "none", "no prediction", counted=counted)}


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Place and fields of every row."""
    if path.suffix == ".csv":
        yield from _csv_rows(path)
        return
    if path.suffix == ".eval":
        raise ValueError(f"{path}: a log of Inspect; write it as JSON: inspect log convert --to json")
    if path.suffix not in (".json", ".jsonl", ".parquet"):
        raise ValueError(f"{path}: ends in {path.suffix!r}; expected .json, .jsonl, .csv or .parquet")
    for where, fields in plain_rows(path, _good_rows(path)):
        if where == str(path) and not any(key in fields for key in ID_KEYS):  # all of a .json file
            raise ValueError(
                f"{printable(where)}: holds one object without an id, perhaps a map of ids to answers; "
                'expected a list of objects, such as [{"id": "q1", "model_output": "a dog"}]'
            )
        yield where, {name: value for name, value in fields.items() if not holds_audio(value)}


def _good_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for row in scan_rows(path, one_object=True):
        if isinstance(row, BadRow):
            raise ValueError(str(row))
        yield row.where, row.fields


def _csv_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Place and cells of every row; the place is the line on which the row begins."""
    if path.stat().st_size > _LARGEST:
        raise ValueError(f"{path}: larger than {_LARGEST} bytes; expected the predictions of a benchmark")
    with path.open("rb") as binary:
        if foreign := no_text(binary.read(HEAD)):
            raise ValueError(f"{path}: is {foreign.what}; expected CSV in UTF-8; {foreign.todo}")
    with (
        path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file,
        _long_cells(),
    ):
        rows = csv.DictReader(file, strict=True)  # else a quote that stays open swallows other rows
        try:
            header = rows.fieldnames or []
            _refuse_stray_bytes(header, f"{path}:1")
            if twice := [name for name in header if header.count(name) > 1]:
                raise ValueError(f"{path}:1: {twice[0]!r} stands {header.count(twice[0])} times; keep one")
            for cells in rows:
                where = f"{path}:{rows.line_num - _line_breaks(cells)}"
                if None in cells:
                    fault = "has more cells than the header; put texts with commas in quotes"
                    raise ValueError(f"{where}: {fault}")
                _refuse_stray_bytes(filter(None, cells.values()), where)
                yield where, cells
        except csv.Error as error:
            where = f"{path}:{rows.line_num + 1}"  # the line on which the row begins
            raise ValueError(f"{where}: not CSV in UTF-8 ({error}); write it anew") from error


def _refuse_stray_bytes(texts: Iterable[str], where: str) -> None:
    if stray := _STRAY_BYTE.search("".join(texts)):
        fault = f"byte 0x{ord(stray[0]) - 0xDC00:02x} is not UTF-8"
        raise ValueError(f"{where}: {fault}; save the file as UTF-8 (iconv -t UTF-8)")


def _line_breaks(cells: Mapping[str, Any]) -> int:
    texts = [text for text in cells.values() if isinstance(text, str)]
    return sum(len(_LINE_BREAK.findall(text)) for text in texts)


@contextmanager
def _long_cells() -> Iterator[None]:
    """A block in which the module `csv` takes cells of any length: answers of models that think are long."""
    before = csv.field_size_limit(_LARGEST)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _first(wanted: Sequence[str], fields: Sequence[str], path: Path, todo: str) -> str:
    """The first of the names that rows have. Raises ValueError where they have none."""
    for name in wanted:
        if name in fields:
            return name
    there = ", ".join(map(printable, fields[:20])) or "no rows"
    raise ValueError(
        f"{printable(str(path))}: expected rows with {' or '.join(map(repr, wanted))}; found {there}; {todo}"
    )


def _pair(where: str, row: Mapping[str, Any], id_key: str, key: str) -> tuple[str, str | None]:
    id, text = row.get(id_key), row.get(key)
    if isinstance(id, bool) or not isinstance(id, str | int) or id == "":
        raise ValueError(f"{where}: {id_key!r} is {id!r:.80}; expected the id of a question")
    if text is not None and (isinstance(text, bool) or not isinstance(text, str | int | float)):
        raise ValueError(f"{where}: {key!r} is {text!r:.80}; expected a text")
    return str(id), None if text is None else str(text)


def _some(ids: Sequence[str]) -> str:
    return ", ".join(printable(id) for id in ids[:_SHOWN]) + (", ..." if len(ids) > _SHOWN else "")
