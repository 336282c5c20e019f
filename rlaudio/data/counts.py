"""Counts over questions: by group, number of options, position of the gold answer; lengths of clips."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rlaudio.types import Choice, Clip, Contributions, Question

Seconds = Mapping[Path | Clip, float]  # of clips that can be read

ALL = ("all", "all")  # grouping and name of all questions together


@dataclass(frozen=True)
class Durations:
    """Lengths of clips, each clip once; zeros where there is none."""

    clips: int = 0
    total: float = 0.0  # seconds, as all of these
    shortest: float = 0.0
    median: float = 0.0
    longest: float = 0.0

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Durations:
        """The durations of clips that last so many seconds."""
        if not seconds:
            return cls()
        middle = statistics.median(seconds)
        return cls(len(seconds), sum(seconds), min(seconds), middle, max(seconds))

    @property
    def hours(self) -> float:
        """All of them together."""
        return self.total / 3600


@dataclass(frozen=True)
class Counts:
    """Counts over the questions of one group."""

    grouping: str  # category, source, ...; "all" of all questions
    name: str
    question_count: int
    gold_positions: tuple[int, ...]  # how often the gold answer is option 1, 2, ...
    options: Mapping[int, int]  # number of options -> questions; 0: no choice
    contribution: Mapping[str, int]  # weak, strong, unlabelled -> questions
    durations: Durations = field(default_factory=Durations)


def count(questions: Sequence[Question], contributions: Contributions, seconds: Seconds) -> list[Counts]:
    """Counts over all questions, and over those of every group, groupings one after the other."""
    members: dict[tuple[str, str], list[Question]] = {ALL: list(questions)}
    for question in questions:
        for group in question.groups.items():
            members.setdefault(group, []).append(question)
    groupings = list(dict.fromkeys(grouping for grouping, _ in members))
    in_order = sorted(members, key=lambda group: (groupings.index(group[0]), -len(members[group])))
    return [_counts(*group, members[group], contributions, seconds) for group in in_order]


def gold_positions(questions: Iterable[Question]) -> tuple[int, ...]:
    """How often the gold answer is option 1, 2, ..."""
    positions = Counter(
        question.target.gold
        for question in questions
        if isinstance(question.target, Choice) and question.target.gold is not None
    )
    return tuple(positions[position] for position in range(max(positions, default=-1) + 1))


def labels(questions: Iterable[Question], contributions: Contributions) -> Mapping[str, int]:
    """How many questions are weak, strong and unlabelled, the most frequent first."""
    given = (contributions.get(question.id) for question in questions)
    return dict(Counter(c.label if c else "unlabelled" for c in given).most_common())


def _counts(
    grouping: str,
    name: str,
    questions: Sequence[Question],
    contributions: Contributions,
    seconds: Seconds,
) -> Counts:
    return Counts(
        grouping,
        name,
        len(questions),
        gold_positions(questions),
        dict(sorted(Counter(len(question.choices) for question in questions).items())),
        labels(questions, contributions),
        Durations.of(list(_lengths(questions, seconds))),
    )


def _lengths(questions: Iterable[Question], seconds: Seconds) -> Iterator[float]:
    if not seconds:
        return
    for clip in dict.fromkeys(clip for question in questions for clip in question.clips):
        if clip in seconds:
            yield seconds[clip]
