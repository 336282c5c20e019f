"""What the voters found in silence: which questions are weak, and how far the labels can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rlaudio.runs.run import Json, RunData
from rlaudio.utils.number_format import group_title


@dataclass(frozen=True)
class LabelLine:
    """One group of labelled questions; fractions."""

    grouping: str
    name: str
    questions: int
    weak: float
    chance_floor: float  # called weak by voters that guess
    right_in_silence: Mapping[str, float]  # voter -> share
    quality: Mapping[str, float | None] | None  # precision, recall, f1 where the truth is known
    luck_ceiling: float | None  # of the F1

    @property
    def title(self) -> str:
        """The group's name as a reader meets it."""
        return group_title(self.grouping, self.name)


@dataclass(frozen=True)
class Labelled:
    """One labelled data set."""

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


def labelled(run: RunData) -> list[Labelled]:
    """The labelled data sets of the run, the training set first."""
    return [
        Labelled(
            name=name,
            rule=found["rule"],
            lines=[
                _line(grouping, group, cells)
                for grouping, table in found["tables"].items()
                for group, cells in table.items()
            ],
            fleiss_kappa=found["agreement"]["fleiss_kappa"],
            order_gain=found["order_gain"],
            variants=[*found["thresholds"], *found["leave_one_out"]],
        )
        for name, found in run.labels.items()
    ]


def _line(grouping: str, name: str, cells: Json) -> LabelLine:
    return LabelLine(
        grouping=grouping,
        name=name,
        questions=cells["questions"],
        weak=cells["weak"],
        chance_floor=cells["chance_floor"],
        right_in_silence=cells["right_in_silence"],
        quality=cells["quality"],
        luck_ceiling=cells["luck_ceiling"],
    )
