"""Measured audio contribution beside the data: rows {id, contribution, score, gain, votes} of `labels.jsonl`.

`rlaudio label` writes them; every format reads them beside its files, and they go before what the data says.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, cast, get_args

from rlaudio.data.bad_rows import BadRow
from rlaudio.data.rows import JsonRow, gather, read_json_rows, scan_rows
from rlaudio.runs.files import write_bytes
from rlaudio.types import ContributionLabel, Question
from rlaudio.utils.number_format import counted, thousands

logger = logging.getLogger(__name__)

_LabelledQuestion = tuple[str, str | None]  # id, and digest of its text where the labels say it
_BAD_LABEL = "malformed label"
_ROUNDING = 1e-6


@dataclass(frozen=True)
class _Label:
    """What a row of a labels file states of a question, as fields of its contribution."""

    where: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class LabelsFile:
    """A labels file by id and text of its questions; of a question that occurs twice the last row.

    A row that does not say of which text it is is taken for every question with its id.
    """

    by_question: Mapping[_LabelledQuestion, _Label] = field(default_factory=dict)
    bad_rows: Sequence[BadRow] = ()
    used: set[_LabelledQuestion] = field(default_factory=set)

    def of(self, question: Question) -> Mapping[str, Any]:
        """What was measured of a question, as fields of its contribution; it replaces what the data says."""
        if not self.by_question:
            return {}
        for labelled in ((question.id, question.text_digest), (question.id, None)):
            if labelled in self.by_question:
                self.used.add(labelled)
                return self.by_question[labelled].fields
        return {}

    def log_use(self, path: Path) -> None:
        """Say how many labels there are, and how many belong to other questions than those of the data."""
        if self.used:
            logger.info("%s: audio contribution of %s", path, counted(len(self.used), "question"))
        others = [label.where for question, label in self.by_question.items() if question not in self.used]
        if others:
            of_other_texts = all(digest for _, digest in self.by_question)  # of another file beside it
            report = logger.info if self.used or of_other_texts else logger.warning
            number = thousands(len(others))
            report("%s: %s labels are of no question that was read; first: %s", path, number, others[0])


def read_labels(path: Path) -> LabelsFile:
    """The labels in a file; none where there is no such file."""
    by_question: dict[_LabelledQuestion, _Label] = {}
    bad_rows: list[BadRow] = []
    for row in scan_rows(path) if path.exists() else ():
        if isinstance(row, BadRow):
            bad_rows.append(replace(row, kind=_BAD_LABEL))
            continue
        values, errors = gather(
            {
                "id": partial(row.text, "id"),
                "text_digest": partial(row.text, "text_digest", default=""),
                "label": partial(contribution_label, row, "contribution"),
                "score": partial(contribution_share, row, "score"),
                "interval": partial(contribution_interval, row, "interval"),
                "gain": partial(contribution_share, row, "gain"),
                "gain_interval": partial(contribution_interval, row, "gain_interval"),
                "method": partial(row.text, "rule", default="given"),
                "votes": partial(row.mapping, "votes"),
            }
        )
        bad_rows += row.bad((error.fault for error in errors), _BAD_LABEL)
        if not errors:
            labelled = values.pop("id"), values.pop("text_digest") or None
            by_question[labelled] = _Label(row.where, {n: v for n, v in values.items() if v is not None})
    return LabelsFile(by_question, bad_rows)


def rows_of_others(path: Path, questions: Sequence[Question]) -> list[Mapping[str, Any]]:
    """The rows of a labels file that are of none of the questions, but perhaps of others with their ids.

    Raises ValueError for a damaged row: before voters are asked, whose answers of hours would be lost later.
    """
    texts = {question.id: question.text_digest for question in questions}
    rows = read_json_rows(path) if path.exists() else ()
    return [
        row.fields
        for row in rows
        if row.text("id") not in texts
        or row.text("text_digest", default="") not in ("", texts[row.text("id")])
    ]


def labels_to_parquet(labels: Path, out: Path) -> None:
    """Write a labels file as Parquet, a column for every field; what voters answered is JSON text."""
    import pyarrow
    from pyarrow.parquet import write_table

    rows = [dict(row.fields) for row in read_json_rows(labels)]
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [_as_cell(row.get(name)) for row in rows] for name in names}
    content = io.BytesIO()
    write_table(pyarrow.table(columns), content)
    write_bytes(out, content.getvalue())


def contribution_label(row: JsonRow, name: str) -> ContributionLabel | None:
    """The field as a label; None where it is absent or empty. Raises FieldError for anything else."""
    value = row.fields.get(name)
    if value is None or value == "":
        return None
    if value not in get_args(ContributionLabel):
        raise row.wrong(name, value, '"weak", "strong" or nothing')
    return cast(ContributionLabel, value)


def contribution_interval(row: JsonRow, name: str) -> tuple[float, float] | None:
    """The field as an interval; None where it is absent. Raises FieldError for anything but two numbers."""
    value = row.fields.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2 or not all(map(_is_number, value)):
        raise row.wrong(name, value, "an interval of two numbers")
    return float(value[0]), float(value[1])


def contribution_share(row: JsonRow, name: str) -> float | None:
    """The field as a share or a difference of two; None where it is absent. Raises FieldError otherwise."""
    value = row.number(name)
    if value is not None and abs(value) > 1 + _ROUNDING:
        raise row.wrong(name, value, "a share of right answers, -1 to 1")
    return value


def _as_cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
