"""Rows of answers as lm-evaluation-harness and Inspect write them, as rows with an id and a text.

lm-eval (and lmms-eval) with `--log_samples`: {"doc": the question's row, "resps": [[text]], "filtered_resps":
[text], "filter": which one}, a row for every question and filter. A log of Inspect in JSON: {"eval": {...},
"samples": [{"id": ..., "output": {"completion": text}}]}.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rlaudio.utils.messages import printable, shown

RESPONSES = ("filtered_resps", "resps")  # lm-eval's, the first after its filters
_IDS = ("id", "question_id")

Row = Mapping[str, Any]


def plain_rows(path: Path, rows: Iterable[tuple[str, Row]]) -> Iterator[tuple[str, Row]]:
    """Place and fields of each row in those of a file: a log of Inspect holds many, any other row is one.

    Raises ValueError for a log without samples, for log-likelihoods in place of texts, and after the last row
    where lm-eval's are those of several filters: which of a question's texts is meant should not be a guess.
    """
    filters: dict[str, None] = {}
    for where, row in rows:
        if _is_inspect_log(row):
            for number, sample in enumerate(_samples(where, row), start=1):
                yield f"{where}, sample {number}", _of_inspect(sample) if isinstance(sample, dict) else {}
        elif isinstance(row.get("doc"), dict) and any(name in row for name in RESPONSES):
            filters[str(row.get("filter"))] = None
            yield where, _of_lm_eval(where, row)
        else:
            yield where, _of_inspect(row)
    if len(filters) > 1:
        raise ValueError(
            f"{printable(str(path))}: holds answers after {len(filters)} filters of lm-eval, "
            f"{', '.join(map(shown, filters))}; expected those of one; keep its rows alone, such as by "
            f"jq -c 'select(.filter == \"NAME\")'"
        )


def _is_inspect_log(row: Row) -> bool:
    return isinstance(row.get("eval"), dict) and ("samples" in row or "status" in row)


def _samples(where: str, log: Row) -> list[Any]:
    samples = log.get("samples")
    if not isinstance(samples, list):
        raise ValueError(
            f"{where}: a log of Inspect without samples, perhaps its header alone; expected them under "
            "'samples'; write the whole log as JSON: inspect log convert --to json"
        )
    return samples


def _of_inspect(row: Row) -> Row:
    output = row.get("output")
    if isinstance(output, dict) and "completion" in output:
        return {**row, "output": output["completion"]}
    return row


def _of_lm_eval(where: str, row: Row) -> Row:
    question = row["doc"]
    stated = {name: question[name] for name in _IDS if name in question} or {"id": row.get("doc_id")}
    for name in RESPONSES:
        if _holds_likelihood(row.get(name)):
            raise ValueError(
                f"{where}: {name!r} holds log-likelihoods; expected a text; have the model write its answer: "
                "a task of lm-eval with output_type: generate_until"
            )
    return stated | {name: _first_of(row[name]) for name in RESPONSES if name in row}


def _holds_likelihood(value: Any) -> bool:
    """Whether answers are of a task that compares options: [log-likelihood, is greedy], or a number alone.

    lm-eval writes such pairs as they are or each part as a text: ["-1.2", "False"].
    """
    while isinstance(value, list) and value:
        if len(value) == 2 and str(value[1]) in ("True", "False") and _is_likelihood(value[0]):
            return True
        value = value[0]
    return isinstance(value, float)


def _is_likelihood(value: Any) -> bool:
    try:
        return not isinstance(value, list | bool) and float(value) <= 0.0
    except (TypeError, ValueError):
        return False


def _first_of(value: Any) -> Any:
    """The first of several answers to one question, also of those before filters: [[text, text]]."""
    while isinstance(value, list) and value:
        value = value[0]
    return value
