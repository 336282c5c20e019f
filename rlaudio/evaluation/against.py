"""Two evaluations on the same questions: which is right more often, and may that be chance?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rlaudio.evaluation.accuracy import Evaluation
from rlaudio.evaluation.statistics import Interval, bootstrap_interval, mcnemar_p_value
from rlaudio.runs import shapes
from rlaudio.runs.files import Json, read_rows
from rlaudio.types import Control
from rlaudio.utils.number_format import percent, signed
from rlaudio.utils.text_table import text_table

FOLDER = "evaluation"  # of single answers, one file a set, below a folder that an evaluation was written to


@dataclass(frozen=True)
class PairedDifference:
    """One set under one control, on the questions that both evaluations asked."""

    held_out: str
    control: Control
    questions: int
    left_out: int  # questions that only one of them asked
    accuracy: float
    other: float
    interval: Interval  # of the difference, by bootstrap over the questions
    p_value: float  # McNemar's exact test


def compare_with(results: Mapping[str, Evaluation], other: Path) -> list[PairedDifference]:
    """Every set and control of the evaluations that the folder `other` has answers to as well.

    The folder is what `rlaudio evaluate --out` or `rlaudio score --out` wrote, or the `evaluation/WHEN` of a
    run. Raises FileNotFoundError where it holds no answers, ValueError where none is to the same questions.
    """
    folder = other / FOLDER if (other / FOLDER).is_dir() else other
    files = {file.stem: file for file in sorted(folder.glob("*.jsonl"))}
    if not files:
        raise FileNotFoundError(
            f"{other}: found no single answers ({FOLDER}/SET.jsonl); expected a folder that rlaudio evaluate "
            "--out or rlaudio score --out wrote"
        )
    pairs = [
        pair
        for name, result in results.items()
        if name in files
        for pair in _pairs(name, result, read_rows(files[name], shapes.ANSWER))
    ]
    if not pairs:
        raise ValueError(
            f"{other}: no answer to a question of {', '.join(results)} under the same control; it has sets "
            f"{', '.join(files)}"
        )
    return pairs


def paired_table(pairs: Sequence[PairedDifference], other: str) -> str:
    """The differences in per cent, as text."""
    header = ["set", "heard", "questions", "accuracy", other, "difference [95 %]", "McNemar p"]
    rows = [
        [
            pair.held_out,
            pair.control,
            str(pair.questions) + (f" ({pair.left_out} in one alone)" if pair.left_out else ""),
            percent(pair.accuracy),
            percent(pair.other),
            f"{signed(pair.accuracy - pair.other)} [{', '.join(map(signed, pair.interval))}]",
            f"{pair.p_value:.3g}",
        ]
        for pair in pairs
    ]
    return text_table(header, rows)


def _pairs(name: str, result: Evaluation, others: Sequence[Json]) -> list[PairedDifference]:
    pairs = []
    for control in result.controls:
        rows = {row.question.id: row.verdict.right for row in result.rows if row.control == control}
        before = {row["id"]: row["right"] for row in others if row["control"] == control}
        both = [id for id in rows if id in before]
        if not both:
            continue
        right, other = (np.array([of[id] for id in both], dtype=bool) for of in (rows, before))
        pairs.append(
            PairedDifference(
                held_out=name,
                control=control,
                questions=len(both),
                left_out=len(rows.keys() ^ before.keys()),
                accuracy=float(right.mean()),
                other=float(other.mean()),
                interval=bootstrap_interval(right, other),
                p_value=mcnemar_p_value(right, other),
            )
        )
    return pairs
