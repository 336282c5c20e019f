"""Held-out accuracy before and after the run, with real audio and without."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from markupsafe import Markup

from rlaudio.evaluation.statistics import difference_interval, mcnemar_p_value
from rlaudio.runs.files import Json
from rlaudio.runs.run import StoredRun
from rlaudio.utils.charts import Mark, range_axis, range_chart
from rlaudio.utils.literals import Control
from rlaudio.utils.number_format import group_title, percent, signed

CONTROLS = get_args(Control)
ALL = ("all", "all")
HEADLINE = (("contribution", "strong"), ("contribution", "weak"), ALL)
NOT_GROUPS = ("all", "contribution", "truth", "source_truth")  # groupings that are no facts of the data
TRUTHS = ("audio-only", "text-answerable")  # the groups that strong and weak are meant to be


@dataclass(frozen=True)
class Cell:
    """A fraction with its 95 % interval."""

    value: float
    low: float
    high: float
    p_value: float | None = None  # None for what is no difference, or one of answers that are all the same

    @classmethod
    def of(cls, values: Mapping[str, Any], name: str) -> Cell:
        """From a score ("accuracy") or a difference ("difference") of an evaluation's JSON."""
        return cls(values[name], values["low"], values["high"], values.get("p_value"))


@dataclass(frozen=True)
class Answered:
    """What one evaluation gave on a group of questions; a control that was not run is missing."""

    accuracy: Mapping[str, Cell]  # by control
    gains: Mapping[str, Cell]  # control -> accuracy with audio minus accuracy under the control
    by_scorer: Mapping[str, Cell]  # scorer other than the evaluation's -> accuracy with audio
    unparsed: float | None  # share of the answers with audio that name no choice

    @classmethod
    def of(cls, group: Json | None) -> Answered:
        """From the group's entry in an evaluation's JSON; empty where it has none."""
        others = {} if group is None else group["other_scores"]
        return cls(
            accuracy=_cells(group, "scores", "accuracy"),
            gains=_cells(group, "gains", "difference"),
            by_scorer={
                name: Cell.of(by_control["audio"], "accuracy")
                for name, by_control in others.items()
                if "audio" in by_control
            },
            unparsed=_unparsed(group, "audio"),
        )


@dataclass(frozen=True)
class Line:
    """One group of held-out questions before and after the run."""

    grouping: str
    name: str
    question_count: int
    chance: float
    base: Answered
    final: Answered
    change: Cell | None  # accuracy with audio, final minus base, paired over the questions

    @property
    def title(self) -> str:
        """The group's name as shown."""
        return group_title(self.grouping, self.name)

    @property
    def latest(self) -> Mapping[str, Cell]:
        """The accuracies after the run, or before it while that is all there is."""
        return self.final.accuracy or self.base.accuracy

    @property
    def latest_gains(self) -> Mapping[str, Cell]:
        """As `latest`, for the gains."""
        return self.final.gains or self.base.gains

    @property
    def unparsed(self) -> float | None:
        """As `latest`, for the answers with audio that name no choice."""
        return self.base.unparsed if self.final.unparsed is None else self.final.unparsed

    @property
    def became_worse(self) -> bool:
        """Whether the run lowered the accuracy, with the whole interval below 0."""
        return self.change is not None and self.change.high < 0

    @property
    def chart(self) -> Markup:
        """The accuracies on a scale from 0 to 1."""
        marks = _marks(self.base.accuracy, self.final.accuracy)
        return range_chart(marks, bounds=(0.0, 1.0), reference=self.chance)

    def gain_chart(self, bounds: tuple[float, float]) -> Markup:
        """The gains on a scale of the given ends."""
        return range_chart(_marks(self.base.gains, self.final.gains), bounds=bounds, reference=0.0)


def controls_of(sets: Sequence[AccuracyTable]) -> list[str]:
    """The controls that some set was evaluated under."""
    run = {control for table in sets for line in table.headline for control in _controls(line)}
    return [control for control in CONTROLS if control in run]


def _controls(line: Line) -> list[str]:
    return [*line.base.accuracy, *line.final.accuracy]


@dataclass(frozen=True)
class AccuracyTable:
    """One held-out set before and after the run."""

    name: str
    scorer: str  # the evaluation's scorer
    other_scorers: list[str]  # scorers whose accuracies with audio are shown beside it
    headline: list[Line]  # strong, weak, all; all alone where all are strong or all weak
    all_are: str | None  # "strong" or "weak" where all are
    truth: list[Line]  # audio-only, text-answerable, where that is known and not what the labels say
    truth_is_label: bool  # strong and weak are the known truth
    types: list[Line]  # categories, then sources
    baselines: Json
    positions: list[Positions]

    @property
    def axis(self) -> Markup:
        """The scale of the accuracies."""
        return range_axis((0.0, 1.0), number=lambda value: f"{100 * value:.0f} %")

    @property
    def gain_axis(self) -> Markup:
        """The scale of the gains."""
        return range_axis(self.gain_bounds, number=lambda value: signed(value).removesuffix(".0"))

    @property
    def gain_bounds(self) -> tuple[float, float]:
        """Ends of a scale in tenths that holds every gain of headline and truth."""
        cells = [
            cell
            for line in self.headline + self.truth
            for gains in (line.base.gains, line.final.gains)
            for cell in gains.values()
        ]
        low, high = (
            min((cell.low for cell in cells), default=0),
            max((cell.high for cell in cells), default=0),
        )
        return min(-0.1, math.floor(10 * low) / 10), max(0.1, math.ceil(10 * high) / 10)


def held_out(run: StoredRun) -> list[AccuracyTable]:
    """The held-out sets of the run, in its order."""
    return [_held_out(run, name) for name in run.held_out]


def headline_groups(tables: Json) -> list[tuple[str, str]]:
    """Of strong, weak and all questions those that are in an evaluation's tables; all once."""
    here = [(grouping, name) for grouping, name in HEADLINE if name in tables.get(grouping, {})]
    return [ALL] if one_contribution(tables) else here


def one_contribution(tables: Json) -> str | None:
    """The audio contribution that all questions have; None where they differ or some have none."""
    whole, of = tables["all"]["all"]["questions"], tables.get("contribution", {})
    return next((name for name, group in of.items() if group["questions"] == whole), None)


def _held_out(run: StoredRun, name: str) -> AccuracyTable:
    base, final = run.base.get(name), run.final.get(name)
    latest: Json = final or base or {}
    changes = Changes(run.answers("base", name), run.answers("final", name))

    def line(grouping: str, group: str) -> Line | None:
        return _line(grouping, group, base, final, changes)

    def lines(grouping: str) -> list[Line]:
        return [row for group in latest["tables"].get(grouping, {}) if (row := line(grouping, group))]

    tables = latest["tables"]
    truth_is_label = "truth" in tables and [tables["truth"].get(name) for name in TRUTHS] == [
        tables.get("contribution", {}).get(name) for name in ("strong", "weak")
    ]
    return AccuracyTable(
        name=name,
        scorer=latest["scorer"],
        other_scorers=list(tables["all"]["all"]["other_scores"]),
        headline=[row for grouping, group in headline_groups(tables) if (row := line(grouping, group))],
        all_are=one_contribution(tables),
        truth=[] if truth_is_label else lines("truth"),
        truth_is_label=truth_is_label,
        types=[
            line
            for grouping in tables
            if grouping not in NOT_GROUPS
            for line in lines(grouping)
            if line.question_count < tables["all"]["all"]["questions"]  # else all of them, shown above
        ],
        baselines=latest["baselines"],
        positions=_positions(latest),
    )


def _line(grouping: str, name: str, base: Json | None, final: Json | None, changes: Changes) -> Line | None:
    before, after = _group(base, grouping, name), _group(final, grouping, name)
    latest = after or before
    if latest is None:
        return None
    return Line(
        grouping=grouping,
        name=name,
        question_count=latest["questions"],
        chance=latest["chance"],
        base=Answered.of(before),
        final=Answered.of(after),
        change=changes.of(grouping, name),
    )


def _group(evaluation: Json | None, grouping: str, name: str) -> Json | None:
    return None if evaluation is None else evaluation["tables"].get(grouping, {}).get(name)


def _cells(group: Json | None, table: str, value: str) -> dict[str, Cell]:
    entries = {} if group is None else group[table]
    return {control: Cell.of(entries[control], value) for control in CONTROLS if control in entries}


def _unparsed(group: Json | None, control: str) -> float | None:
    return None if group is None else group["scores"].get(control, {}).get("unparsed")


class Changes:
    """What the run changed, computed from the single answers of both evaluations."""

    def __init__(self, base: Sequence[Json], final: Sequence[Json]):
        before = {row["id"]: row["right"] for row in base if row["control"] == "audio"}
        self._rows = [row for row in final if row["control"] == "audio" and row["id"] in before]
        self._before = np.array([before[row["id"]] for row in self._rows], dtype=bool)  # [N]
        self._after = np.array([row["right"] for row in self._rows], dtype=bool)

    def of(self, grouping: str, name: str) -> Cell | None:
        """Accuracy with real audio, after minus before, on questions asked both times; None without any."""
        here = np.array([_belongs(row, grouping, name) for row in self._rows], dtype=bool)
        if not here.any():
            return None
        before, after = self._before[here], self._after[here]
        p_value = None if (after == before).all() else mcnemar_p_value(after, before)
        return Cell(float(after.mean() - before.mean()), *difference_interval(after, before), p_value)


def _belongs(row: Json, grouping: str, name: str) -> bool:
    if grouping == "truth":
        return row["text_answerable"] is (name == "text-answerable")
    if grouping == "contribution":
        return row["contribution"] == name
    return grouping == "all" or row["groups"].get(grouping) == name


def _marks(base: Mapping[str, Cell], final: Mapping[str, Cell]) -> list[Mark]:
    return [
        Mark(
            cell.value,
            cell.low,
            cell.high,
            kind=control,
            hollow=when == "before",
            title=f"{control}, {when} the run: {percent(cell.value)} %",
        )
        for when, cells in (("before", base), ("after", final))
        for control, cell in cells.items()
    ]


@dataclass(frozen=True)
class Positions:
    """How often each place among the options was gold, or was answered, of the answers that name a choice."""

    name: str
    shares: tuple[float, ...]
    unparsed: float | None  # share of all answers that name no choice and so no place; None for gold


def _positions(evaluation: Json) -> list[Positions]:
    gold, answered = evaluation["baselines"]["gold_positions"], evaluation["predicted_positions"]
    most = max(len(counts) for counts in (gold, *answered.values()))

    def shares(counts: Sequence[int]) -> tuple[float, ...]:
        return tuple(count / max(1, sum(counts)) for count in [*counts, *[0] * (most - len(counts))])

    every = _group(evaluation, "all", "all")
    return [
        Positions("gold", shares(gold), unparsed=None),
        *(
            Positions(f"answered, {control}", shares(counts), _unparsed(every, control))
            for control, counts in answered.items()
        ),
    ]
