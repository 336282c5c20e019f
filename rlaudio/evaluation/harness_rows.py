"""Rows of answers as lm-evaluation-harness and Inspect write them, as rows with an id and a text.

lm-eval (and lmms-eval) with `--log_samples`: {"doc": the question's row, "resps": [[text]], "filtered_resps":
[text]}. A log of Inspect in JSON: {"samples": [{"id": ..., "output": {"completion": text}}]}.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

RESPONSES = ("filtered_resps", "resps")  # lm-eval's, the first after its filters
_IDS = ("id", "question_id")

Row = Mapping[str, Any]


def plain_rows(where: str, row: Row) -> Iterator[tuple[str, Row]]:
    """Place and fields of each row that a row holds: a log of Inspect has many, any other is one."""
    samples = row.get("samples")
    if "eval" in row and isinstance(samples, list):
        for number, sample in enumerate(samples, start=1):
            yield f"{where}, sample {number}", _plain(sample) if isinstance(sample, dict) else {}
    else:
        yield where, _plain(row)


def _plain(row: Row) -> Row:
    question, output = row.get("doc"), row.get("output")
    if isinstance(question, dict) and any(name in row for name in RESPONSES):
        stated = {name: question[name] for name in _IDS if name in question} or {"id": row.get("doc_id")}
        return stated | {name: _first_of(row[name]) for name in RESPONSES if name in row}
    if isinstance(output, dict) and "completion" in output:
        return {**row, "output": output["completion"]}
    return row


def _first_of(value: Any) -> Any:
    """The first of several answers to one question, also of those before filters: [[text, text]]."""
    while isinstance(value, list) and value:
        value = value[0]
    return value
