"""Warnings at the top of the page: a run that did not help, answers that name no choice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rlaudio.report.sections.accuracy_tables import AccuracyTable, Line
from rlaudio.utils.number_format import percent, signed

MANY_UNPARSED = 0.1  # share of the answers from which an accuracy says little about the audio


@dataclass(frozen=True)
class Notice:
    """One warning at the top of the page."""

    head: str
    text: str


def notices(held_out: Iterable[AccuracyTable]) -> list[Notice]:
    """The warnings of a run that was evaluated before and after training; none where all went well."""
    sets = list(held_out)
    return [
        Notice(notice.head, f"On {table.name}: {notice.text}" if len(sets) > 1 else notice.text)
        for table in sets
        for notice in (*_no_gain(table), *_unparsed(table))
    ]


def _no_gain(held_out: AccuracyTable) -> Iterator[Notice]:
    """Where accuracy with audio fell significantly in a group of the headline, or did not rise overall."""
    worse = [line for line in held_out.headline if line.became_worse]
    every = next((line for line in held_out.headline if line.grouping == "all"), None)
    if worse:
        where = "" if every in worse else f" on {' and '.join(map(_questions, worse))}"
        yield Notice(
            f"This run made the model worse{where}.", f"Accuracy fell: {'; '.join(map(_change, worse))}."
        )
    elif every is not None and every.change is not None and every.change.value <= 0:
        what = "fell, perhaps by chance" if every.change.value < 0 else "is what it was"
        yield Notice("This run did not make the model better.", f"Accuracy {what}: {_change(every)}.")


def _change(line: Line) -> str:
    """Accuracy with audio before and after the run, and the change with its interval where there is one."""
    before, after = (percent(cells["audio"].value) for cells in (line.base, line.final))
    accuracies = f"{_questions(line)} {before} \N{RIGHTWARDS ARROW} {after} %"
    if line.change is None or line.change.p_value is None:
        return accuracies
    change, low, high = (signed(value) for value in (line.change.value, line.change.low, line.change.high))
    return f"{accuracies} ({change} points, 95 % interval {low} to {high})"


def _questions(line: Line) -> str:
    return "all questions" if line.grouping == "all" else f"{line.name} questions"


def _unparsed(held_out: AccuracyTable) -> Iterator[Notice]:
    """Where many answers of the trained model name no choice."""
    for line in held_out.headline:
        if line.grouping == "all" and (line.final_unparsed or 0.0) >= MANY_UNPARSED:
            before = "" if line.base_unparsed is None else f"; before it {percent(line.base_unparsed)} %"
            yield Notice(
                f"{percent(line.final_unparsed)} % of the answers name no choice.",
                f"They count as wrong (with real audio, after the run{before}).",
            )
