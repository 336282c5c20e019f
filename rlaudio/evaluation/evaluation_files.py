"""Evaluations as `rlaudio.runs.evaluations` writes them, with what a benchmark's own script reads."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rlaudio.evaluation.accuracy import Evaluation
from rlaudio.evaluation.answer_rows import AnswerRow
from rlaudio.runs.evaluations import EvaluatedSet, PredictionFile, write_sets
from rlaudio.runs.files import Json
from rlaudio.runs.places import ANSWERS
from rlaudio.types import Benchmark
from rlaudio.utils.number_format import of_all

logger = logging.getLogger(__name__)


def write_evaluations(
    results: Mapping[str, Evaluation],
    folder: Path,
    name: str = ANSWERS,
    benchmarks: Mapping[str, Benchmark | None] | None = None,
) -> None:
    """Write evaluations by held-out set into a folder; `benchmarks` are those that sets are of."""
    of_sets = benchmarks or {}
    write_sets(((s, _written(s, result, of_sets.get(s))) for s, result in results.items()), folder, name)


def _written(held_out: str, result: Evaluation, benchmark: Benchmark | None) -> EvaluatedSet:
    return EvaluatedSet(
        tables=result.to_dict(),
        answers=(row.to_dict() for row in result.rows),
        reordered=(row.to_dict() for row in result.reordered) if result.reordered else None,
        predictions=_predictions(held_out, result, benchmark) if benchmark else None,
        disagreements=_disagreements(result) if benchmark else None,
    )


def _predictions(held_out: str, result: Evaluation, benchmark: Benchmark) -> PredictionFile:
    answers = [row for row in result.rows if row.control == "audio"]
    rows = [{"id": a.question.id, **a.question.extra, benchmark.prediction_key: a.text} for a in answers]
    content = _submission(held_out, answers) if benchmark.predictions == "csv" else rows
    return PredictionFile(f".{benchmark.predictions}", content)


def _submission(held_out: str, answers: Sequence[AnswerRow]) -> str:
    """A submission to DCASE Task 5: the id of every question and the text of one of its options."""
    unread = [answer.question.id for answer in answers if answer.verdict.read is None]
    if unread:
        logger.warning(
            "%s: %s answers name no option, and a submission needs one: %s are left empty",
            held_out,
            of_all(len(unread), len(answers)),
            ", ".join(unread[:5]) + (", ..." if len(unread) > 5 else ""),
        )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["question", "answer"])
    for answer in answers:
        stated = answer.question.extra.get("choice", answer.question.choices)  # DCASE 2025's have letters
        read = answer.verdict.read
        writer.writerow([answer.question.id, "" if read is None else stated[read]])
    return text.getvalue()


def _disagreements(result: Evaluation) -> Iterator[Json]:
    for scorer, row in result.disagreements():
        yield {"scorer": scorer, **row.to_dict()}
