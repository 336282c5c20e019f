"""Tables of counts for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rlaudio.data.counts import Counts
from rlaudio.utils.number_format import NO_VALUE, thousands
from rlaudio.utils.text_table import shown_once, text_table

_MOST = 40  # groups of one grouping

_Cells = Callable[[Counts], list[str]]


def audit_table(groups: Sequence[Counts], problems: Mapping[tuple[str, str], int], *, heard: bool) -> str:
    """A line for each group: questions, those with a problem, audio, and shares of gold positions."""
    positions = max(len(counts.gold_positions) for counts in groups)
    header = [
        "questions",
        "problems",
        *(_AUDIO if heard else ()),
        *(f"gold {n + 1}" for n in range(positions)),
    ]

    def cells(counts: Counts) -> list[str]:
        gold = [*counts.gold_positions, *[0] * (positions - len(counts.gold_positions))]
        with_problem = problems.get((counts.grouping, counts.name), 0)
        return [
            thousands(counts.question_count),
            thousands(with_problem),
            *(_audio(counts) if heard else ()),
            *(_with_share(count, sum(gold)) for count in gold),
        ]

    return _table(header, groups, cells, apart=1 + len(header) - positions)


def _with_share(count: int, of: int) -> str:
    return f"{thousands(count)} ({count / of:.0%})" if of else NO_VALUE


def stats_table(groups: Sequence[Counts], *, heard: bool) -> str:
    """A line for each group: questions, options a question, audio, and contribution."""
    labels = [label for label in ("weak", "strong", "unlabelled") if label in groups[0].contribution]
    header = ["questions", "options", *(_AUDIO if heard else ()), *labels]

    def cells(counts: Counts) -> list[str]:
        return [
            thousands(counts.question_count),
            _options(counts.options),
            *(_audio(counts) if heard else ()),
            *(thousands(counts.contribution.get(label, 0)) for label in labels),
        ]

    return _table(header, groups, cells)


_AUDIO = ("clips", "hours", "shortest s", "median s", "longest s")


def _audio(counts: Counts) -> list[str]:
    lengths = counts.durations
    if not lengths.clips:
        return ["0", *[NO_VALUE] * 4]
    seconds = (lengths.shortest, lengths.median, lengths.longest)
    return [thousands(lengths.clips), f"{lengths.hours:.2f}", *(f"{length:.2f}" for length in seconds)]


def _options(options: Mapping[int, int]) -> str:
    """`4`, or `2x27 4x948` where their number differs."""
    if len(options) == 1:
        return str(next(iter(options)))
    return " ".join(f"{number}x{thousands(questions)}" for number, questions in options.items())


def _table(header: Sequence[str], groups: Sequence[Counts], cells: _Cells, apart: int | None = None) -> str:
    lines: list[tuple[str, list[str]]] = []
    of_grouping: dict[str, int] = {}
    for counts in groups:
        number = of_grouping[counts.grouping] = of_grouping.get(counts.grouping, 0) + 1
        name = "all" if counts.grouping == "all" else f"{counts.grouping}: {counts.name}"
        if number <= _MOST:
            about = name if counts.question_count < groups[0].question_count else "all"
            lines.append((about, [name, *cells(counts)]))
        elif number == _MOST + 1:
            more = sum(other.grouping == counts.grouping for other in groups) - _MOST
            name = f"{counts.grouping}: and {thousands(more)} more"
            lines.append((name, [name, *[""] * len(header)]))
    rows, same = shown_once(lines)
    return "\n".join([text_table(["", *header], rows, apart=apart), *same])
