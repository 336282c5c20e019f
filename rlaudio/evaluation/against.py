"""Two evaluations on the same questions: which is right more often, and may that be chance?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rlaudio.evaluation.accuracy import Evaluation
from rlaudio.evaluation.statistics import Interval, bootstrap_interval, mcnemar_p_value
from rlaudio.runs.evaluations import answered_sets, read_answers
from rlaudio.runs.files import Json
from rlaudio.types import Control
from rlaudio.utils.number_format import percent, signed, thousands
from rlaudio.utils.text_table import text_table


@dataclass(frozen=True)
class PairedDifference:
    """One set under one control, on the questions that both evaluations asked."""

    held_out: str
    control: Control
    question_count: int
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
    answered = answered_sets(other)
    here = {name: result for name, result in results.items() if result.published}
    same = {name: name for name in here if name in answered}
    if not same and len(here) == len(answered) == 1:  # one set on each side may be called otherwise
        same = dict(zip(here, answered, strict=True))
    pairs = [
        pair
        for name, there in same.items()
        for pair in _pairs(name, here[name], read_answers(other, there), other)
    ]
    if not pairs:
        raise ValueError(
            f"{other}: found no answer to the same question under the same control; sets here: "
            f"{', '.join(here) or 'none with published answers'}; there: {', '.join(answered)}"
        )
    return pairs


def paired_table(pairs: Sequence[PairedDifference], other: str) -> str:
    """The differences in per cent, as text."""
    header = ["set", "heard", "questions", "accuracy", other, "difference [95 %]", "McNemar p"]
    rows = [
        [
            pair.held_out,
            pair.control,
            _asked_by_both(pair),
            percent(pair.accuracy),
            percent(pair.other),
            f"{signed(pair.accuracy - pair.other)} [{', '.join(map(signed, pair.interval))}]",
            f"{pair.p_value:.3g}",
        ]
        for pair in pairs
    ]
    return text_table(header, rows)


def _asked_by_both(pair: PairedDifference) -> str:
    alone = f" ({thousands(pair.left_out)} in one alone)" if pair.left_out else ""
    return thousands(pair.question_count) + alone


def _pairs(name: str, result: Evaluation, others: Sequence[Json], other: Path) -> list[PairedDifference]:
    scorers = {next(iter(row.get("verdicts", {})), result.scorers[0]) for row in others}
    if scorers - {result.scorers[0]}:
        raise ValueError(
            f"{other}: its answers to {name} are judged by {', '.join(sorted(scorers))}, these by "
            f"{result.scorers[0]}; evaluate both by one scorer (-o evaluation.scorer=...)"
        )
    pairs = []
    for control in result.controls:
        rows = {_asked(row.to_dict()): row.verdict.right for row in result.rows if row.control == control}
        before = {_asked(row): row["right"] for row in others if row["control"] == control}
        both = [asked for asked in rows if asked in before]
        if not both:
            continue
        right, earlier = (np.array([of[asked] for asked in both], dtype=bool) for of in (rows, before))
        pairs.append(
            PairedDifference(
                held_out=name,
                control=control,
                question_count=len(both),
                left_out=len(rows.keys() ^ before.keys()),
                accuracy=float(right.mean()),
                other=float(earlier.mean()),
                interval=bootstrap_interval(right, earlier),
                p_value=mcnemar_p_value(right, earlier),
            )
        )
    return pairs


def _asked(row: Json) -> tuple[str, ...]:
    """What makes an answer one to the same question: its id, its options and what is right."""
    return (str(row["id"]), *map(str, row["choices"]), str(row.get("answer", "")))
