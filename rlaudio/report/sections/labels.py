"""The labels that the voters gave in silence: which questions are weak, and how reliable that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from rlaudio.evaluation.statistics import accuracy_interval
from rlaudio.runs.files import Json
from rlaudio.runs.run import StoredRun
from rlaudio.utils.charts import Mark, range_axis, range_chart
from rlaudio.utils.number_format import group_title, percent


@dataclass(frozen=True)
class LabelLine:
    """One group of labelled questions; fractions."""

    grouping: str
    name: str
    question_count: int
    weak: float
    chance_floor: float  # share that voters who guess would call weak
    right_in_silence: Mapping[str, float]  # voter -> share
    quality: Mapping[str, float | None] | None  # precision, recall, f1 where the truth is known
    luck_ceiling: float | None  # highest expected F1

    @property
    def title(self) -> str:
        """The heading of the group."""
        return group_title(self.grouping, self.name)


@dataclass(frozen=True)
class CalibrationLine:
    """The questions on which about the same share of voters, or of probability, was right in silence."""

    title: str
    question_count: int
    chart: Markup  # hollow: that share; filled: how many of them text answers, by the known truth


@dataclass(frozen=True)
class LabelledSet:
    """The labels of one data set."""

    name: str
    rule: str
    lines: list[LabelLine]  # all questions first, then groups of fewer
    fleiss_kappa: float | None
    order_gain: Json | None
    variants: list[Json]  # other votes over the same answers: voters, threshold, weak, flip_rate
    calibration: list[CalibrationLine]  # none where the truth is not known

    @property
    def whole(self) -> LabelLine:
        """The line of all questions."""
        return self.lines[0]

    @property
    def share_axis(self) -> Markup:
        """The scale of the calibration."""
        return range_axis((0.0, 1.0), number=lambda value: f"{100 * value:.0f} %")

    @property
    def voters(self) -> list[str]:
        """Names of the voters."""
        return list(self.whole.right_in_silence)


def labelled_sets(run: StoredRun) -> list[LabelledSet]:
    """The labelled data sets of the run, the training set first."""
    return [
        LabelledSet(
            name=name,
            rule=summary["rule"],
            lines=[
                _line(grouping, group, cells)
                for grouping, table in summary["tables"].items()
                for group, cells in table.items()
                if grouping == "all" or cells["questions"] < summary["tables"]["all"]["all"]["questions"]
            ],
            fleiss_kappa=summary["agreement"]["fleiss_kappa"],
            order_gain=summary["order_gain"],
            variants=[*summary["thresholds"], *summary["leave_one_out"]],
            calibration=[_calibration_line(of_bin) for of_bin in summary.get("calibration", ())],
        )
        for name, summary in run.labels.items()
    ]


def _line(grouping: str, name: str, cells: Json) -> LabelLine:
    return LabelLine(
        grouping=grouping,
        name=name,
        question_count=cells["questions"],
        weak=cells["weak"],
        chance_floor=cells["chance_floor"],
        right_in_silence=cells["right_in_silence"],
        quality=cells["quality"],
        luck_ceiling=cells["luck_ceiling"],
    )


def _calibration_line(of_bin: Json) -> CalibrationLine:
    count, predicted, observed = of_bin["questions"], of_bin["predicted"], of_bin["observed"]
    low, high = accuracy_interval(np.arange(count) < round(observed * count))
    marks = [
        Mark(predicted, predicted, predicted, "silence", True, f"right in silence: {percent(predicted)} %"),
        Mark(observed, low, high, "silence", False, f"answered by text: {percent(observed)} %"),
    ]
    chart = range_chart(marks, bounds=(0.0, 1.0), reference=None)
    return CalibrationLine(f"{100 * of_bin['low']:.0f}\u2013{100 * of_bin['high']:.0f} %", count, chart)
