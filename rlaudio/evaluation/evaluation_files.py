"""The files of an evaluation: tables, single answers, and what a benchmark's own script reads.

NAME/SET.jsonl                every single answer
NAME/orders/SET.jsonl         answers to the same questions in other orders of their options
NAME/predictions/SET.json     answers with audio to a benchmark, in the form that its script reads
NAME/disagreements/SET.jsonl  answers about which another scorer says otherwise than the evaluation's own
NAME.json                     the tables, by held-out set; written last: they imply all answers
"""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rlaudio.evaluation.accuracy import Evaluation
from rlaudio.evaluation.answer_rows import AnswerRow
from rlaudio.runs.files import Json, write_json, write_rows, write_text
from rlaudio.types import Benchmark

logger = logging.getLogger(__name__)

NAME = "evaluation"


def write_evaluations(
    results: Mapping[str, Evaluation],
    folder: Path,
    name: str = NAME,
    benchmarks: Mapping[str, Benchmark | None] | None = None,
) -> None:
    """Write evaluations by held-out set into a folder; `benchmarks` are those that sets are of."""
    for held_out, result in results.items():
        benchmark = (benchmarks or {}).get(held_out)
        if benchmark:
            _write_predictions(folder / name / "predictions" / held_out, result, benchmark)
            write_rows(folder / name / "disagreements" / f"{held_out}.jsonl", _disagreements(result))
        if result.reordered:
            write_rows(
                folder / name / "orders" / f"{held_out}.jsonl", [r.to_dict() for r in result.reordered]
            )
        write_rows(folder / name / f"{held_out}.jsonl", [row.to_dict() for row in result.rows])
    write_json(folder / f"{name}.json", {held_out: result.to_dict() for held_out, result in results.items()})


def _write_predictions(path: Path, result: Evaluation, benchmark: Benchmark) -> None:
    answers = [row for row in result.rows if row.control == "audio"]
    if benchmark.predictions == "csv":
        _write_submission(path.with_suffix(".csv"), answers)
        return
    rows = [{"id": a.question.id, **a.question.extra, benchmark.prediction_key: a.text} for a in answers]
    if benchmark.predictions == "json":
        write_json(path.with_suffix(".json"), rows)
    else:
        write_rows(path.with_suffix(".jsonl"), rows)


def _write_submission(path: Path, answers: Sequence[AnswerRow]) -> None:
    """A submission to DCASE Task 5: the id of every question and the text of one of its options."""
    unread = [answer.question.id for answer in answers if answer.verdict.read is None]
    if unread:
        logger.warning(
            "%s: %d of %d answers name no option, and a submission needs one: %s are left empty",
            path,
            len(unread),
            len(answers),
            ", ".join(unread[:5]) + (", ..." if len(unread) > 5 else ""),
        )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["question", "answer"])
    for answer in answers:
        stated = answer.question.extra.get("choice", answer.question.choices)  # DCASE 2025's have letters
        read = answer.verdict.read
        writer.writerow([answer.question.id, "" if read is None else stated[read]])
    write_text(path, text.getvalue())


def _disagreements(result: Evaluation) -> Iterator[Json]:
    for scorer, row in result.disagreements():
        yield {"scorer": scorer, **row.to_dict()}
