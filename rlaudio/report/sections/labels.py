"""The labels that the voters gave in silence: which questions are weak, and how reliable that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rlaudio.runs.files import Json
from rlaudio.runs.run import StoredRun
from rlaudio.utils.number_format import group_title


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
class LabelledSet:
    """The labels of one data set."""

    name: str
    rule: str
    lines: list[LabelLine]  # all questions first
    fleiss_kappa: float | None
    order_gain: Json | None
    variants: list[Json]  # other votes over the same answers: voters, threshold, weak, flip_rate

    @property
    def whole(self) -> LabelLine:
        """The line of all questions."""
        return self.lines[0]

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
            ],
            fleiss_kappa=summary["agreement"]["fleiss_kappa"],
            order_gain=summary["order_gain"],
            variants=[*summary["thresholds"], *summary["leave_one_out"]],
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
