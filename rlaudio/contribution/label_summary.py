"""Tables of a labelling, by category and source, and how reliable it is: against chance and the truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rlaudio.answers.unparsed import warn_if_unparsed
from rlaudio.contribution.labelling import Labels
from rlaudio.contribution.option_shares import CalibrationBin, auc, calibration
from rlaudio.contribution.voting import (
    OrderGain,
    Quality,
    Variant,
    fleiss_kappa,
    luck_ceiling,
    pairwise_kappa,
    quality,
    without_luck,
)
from rlaudio.types import Question
from rlaudio.utils.number_format import percent, thousands
from rlaudio.utils.stored_keys import as_stored
from rlaudio.utils.text_table import shown_once, text_table

# Shares that AudioMCQ calls weak, of all questions and of two sources; of its types it states none.
PAPER_WEAK = {"all": 0.548, "tacos": 1 - 0.733, "compa-r": 0.755}
SOURCES = {"speechcraft", "compa-r", "audiocaps", "tacos", "lp-musiccaps-mtt", "clotho", "musiccaps"}


@dataclass(frozen=True)
class GroupLabels:
    """One line of the table; fractions."""

    grouping: str  # all, category or source
    name: str
    question_count: int
    weak: float
    chance_floor: float  # share that voters who guess would call weak
    corrected: float  # share weak, without those that chance calls so
    score: float  # mean contribution score
    gain: float | None  # mean of p(gold | audio) - p(gold | silence), where measured
    right_in_silence: Mapping[str, float]  # by voter
    quality: Quality | None  # where the truth is known
    luck_ceiling: float | None  # of the F1
    auc: float | None  # of the score, where the truth is known and some of both kinds
    paper: float | None  # share weak in arXiv:2509.21060, where it says so of these questions

    def to_dict(self) -> dict[str, Any]:
        """The line as JSON, without grouping and name."""
        line = as_stored(self)
        del line["grouping"], line["name"]
        return line


@dataclass(frozen=True)
class LabelSummary:
    """The tables of a labelling."""

    rule: str
    groups: tuple[GroupLabels, ...]  # the first one: all questions
    unparsed: Mapping[str, float]  # by voter: share of the answers that name no option and count as wrong
    fleiss_kappa: float | None
    cohen_kappa: Mapping[tuple[str, str], float | None]
    thresholds: tuple[Variant, ...]
    leave_one_out: tuple[Variant, ...]
    fewer_orders: tuple[Variant, ...]
    asked_otherwise: tuple[Variant, ...]  # on other silences and in other words, where that was wished
    order_gain: OrderGain | None  # with several orders and a known truth
    calibration: tuple[CalibrationBin, ...]  # 1 - score against the truth, where it is known

    @property
    def quality(self) -> Quality | None:
        """Precision, recall and F1 of "weak" over all questions whose truth is known."""
        return self.groups[0].quality

    def to_dict(self) -> dict[str, Any]:
        """The summary as JSON: `tables[grouping][name]`, agreement and sensitivity."""
        tables: dict[str, dict[str, Any]] = {}
        for group in self.groups:
            tables.setdefault(group.grouping, {})[group.name] = group.to_dict()
        gain = self.order_gain
        return {
            "rule": self.rule,
            "tables": tables,
            "unparsed": dict(self.unparsed),
            "agreement": {
                "fleiss_kappa": self.fleiss_kappa,
                "cohen_kappa": [{"voters": pair, "kappa": kappa} for pair, kappa in self.cohen_kappa.items()],
            },
            "thresholds": [variant.to_dict() for variant in self.thresholds],
            "leave_one_out": [variant.to_dict() for variant in self.leave_one_out],
            "fewer_orders": [variant.to_dict() for variant in self.fewer_orders],
            "asked_otherwise": [variant.to_dict() for variant in self.asked_otherwise],
            "calibration": [as_stored(of_bin) for of_bin in self.calibration],
            "order_gain": None if gain is None else {**asdict(gain), "gain": gain.gain},
        }

    def table(self) -> str:
        """The tables as text, in percent."""
        sections = [
            f"Audio contribution, in percent: {self.rule}.",
            self._groups_table(),
            *self._unparsed_notes(),
            *self._truth_notes(),
            self._variants_table(),
            self._agreement_note(),
        ]
        return "\n\n".join(sections)

    def _groups_table(self) -> str:
        columns = list(self._cells(self.groups[0]))
        lines = [
            (
                _title(group) if group.question_count < self.groups[0].question_count else "all",
                [_title(group), thousands(group.question_count), *map(percent, self._cells(group).values())],
            )
            for group in self.groups
        ]
        rows, same = shown_once(lines)
        return "\n".join(
            [
                text_table(["", "questions", *columns], rows),
                *same,
                "by luck: what guessing voters would call weak; without: the weak share corrected for that; "
                "score: 1 minus right answers in silence; by voter: right in silence.",
                *(["paper: weak share in arXiv:2509.21060."] if "paper" in columns else []),
                *(["gain: p(gold | audio) - p(gold | silence)."] if "gain" in columns else []),
            ]
        )

    def _cells(self, group: GroupLabels) -> dict[str, float | None]:
        """A line of the table; fractions."""
        cells: dict[str, float | None] = {
            "weak": group.weak,
            "by luck": group.chance_floor,
            "without": group.corrected,
            "score": group.score,
        }
        if any(each.paper is not None for each in self.groups):
            cells["paper"] = group.paper
        if self.groups[0].gain is not None:
            cells["gain"] = group.gain
        cells |= group.right_in_silence
        if self.quality is not None:
            scores = group.quality or Quality(None, None, None)
            cells |= {"precision": scores.precision, "recall": scores.recall, "F1": scores.f1}
            cells |= {"F1 ceiling": group.luck_ceiling, "AUC": group.auc}
        return cells

    def _unparsed_notes(self) -> list[str]:
        shares = [f"{name} {percent(share)}" for name, share in self.unparsed.items()]
        return [f"Unparsed: {', '.join(shares)}."] if shares else []

    def _truth_notes(self) -> list[str]:
        notes = []
        if self.quality is not None:
            notes.append(
                "F1 ceiling, expected: the truly weak share w is found, luck adds the share l of the others: "
                "2w / (2w + (1 - w) l). AUC: that a weak question has a lower score than a strong one."
            )
        if self.order_gain is not None:
            notes.append(
                f"F1 from the first option order alone {percent(self.order_gain.plain)}, "
                f"from all orders {percent(self.order_gain.debiased)}."
            )
        if self.calibration:
            header = ["right in silence, expected", "questions", "mean", "truly weak"]
            rows = [
                [
                    f"{percent(each.low)} to {percent(each.high)}",
                    thousands(each.question_count),
                    percent(each.predicted),
                    percent(each.observed),
                ]
                for each in self.calibration
            ]
            notes.append(text_table(header, rows))
        return notes

    def _variants_table(self) -> str:
        variants = (*self.thresholds, *self.leave_one_out, *self.fewer_orders, *self.asked_otherwise)
        rows = [(v.title, percent(v.weak), percent(v.flip_rate)) for v in variants]
        return text_table(["another rule", "weak", "labels flipped"], rows)

    def _agreement_note(self) -> str:
        pairs = [f"{first} and {second} {_kappa(k)}" for (first, second), k in self.cohen_kappa.items()]
        note = f"Agreement on who is right in silence: Fleiss kappa {_kappa(self.fleiss_kappa)}"
        return f"{note}; Cohen kappa {', '.join(pairs)}." if pairs else f"{note}."


def summarise(labels: Labels, asked_otherwise: Sequence[Variant] = ()) -> LabelSummary:
    """All tables of a labelling, and what flips where it is asked otherwise.

    Warns of voters that name no option.
    """
    votes, unparsed, variants = labels.votes, labels.unparsed(), labels.variants()
    for name, share in unparsed.items():
        warn_if_unparsed(f"voter {name}, in silence", share, "questions look strong that may not be")
    known, truth = _truth(labels.questions)
    return LabelSummary(
        rule=labels.describe(),
        groups=tuple(
            _group(labels, grouping, name, items) for grouping, name, items in _groups(labels.questions)
        ),
        unparsed=unparsed,
        fleiss_kappa=fleiss_kappa(votes.right),
        cohen_kappa=pairwise_kappa(votes),
        thresholds=tuple(variants["thresholds"]),
        leave_one_out=tuple(variants["leave_one_out"]),
        fewer_orders=tuple(variants["orders"]),
        asked_otherwise=tuple(asked_otherwise),
        order_gain=_order_gain(labels, known, truth),
        calibration=tuple(calibration(1.0 - labels.scores[known], truth[known])) if known.any() else (),
    )


def _order_gain(labels: Labels, known: np.ndarray, truth: np.ndarray) -> OrderGain | None:
    first = labels.weak_by_first_order
    if first is None or not known.any():
        return None
    return OrderGain(
        plain=quality(first[known], truth[known]).f1, debiased=quality(labels.weak[known], truth[known]).f1
    )


def _title(group: GroupLabels) -> str:
    return "all" if group.grouping == "all" else f"{group.grouping}: {group.name}"


def _groups(questions: Sequence[Question]) -> Iterator[tuple[str, str, np.ndarray]]:
    """(grouping, name, [Q] bool: who belongs to it)."""
    yield "all", "all", np.ones(len(questions), dtype=bool)
    for grouping in dict.fromkeys(grouping for question in questions for grouping in question.groups):
        of_question = np.array([question.groups.get(grouping, "") for question in questions])
        for name in np.unique(of_question[of_question != ""]):
            yield grouping, str(name), of_question == name


def _group(labels: Labels, grouping: str, name: str, items: np.ndarray) -> GroupLabels:
    votes, weak, scores = labels.votes.of(items), labels.weak[items], labels.scores[items]
    questions = [labels.questions[int(number)] for number in np.flatnonzero(items)]
    known, truth = _truth(questions)
    of_known = [question for question, is_known in zip(questions, known, strict=True) if is_known]
    share, floor = float(weak.mean()), labels.floor(questions)
    return GroupLabels(
        grouping=grouping,
        name=name,
        question_count=len(questions),
        weak=share,
        chance_floor=floor,
        corrected=without_luck(share, floor),
        score=float(scores.mean()),
        gain=None if labels.gains is None else _mean(labels.gains[items]),
        right_in_silence=dict(zip(votes.voters, votes.success.mean(axis=1).tolist(), strict=True)),
        quality=quality(weak[known], truth[known]) if of_known else None,
        luck_ceiling=luck_ceiling(float(truth[known].mean()), labels.floor(of_known)) if of_known else None,
        auc=auc(-scores[known], truth[known]) if of_known else None,
        paper=_in_paper(labels.questions, grouping, name),
    )


def _mean(values: np.ndarray) -> float | None:
    """The mean of those that are known; None where none is."""
    return None if np.isnan(values).all() else float(np.nanmean(values))


def _in_paper(questions: Sequence[Question], grouping: str, name: str) -> float | None:
    """The weak share that the paper states, where the questions are of the paper's sources."""
    if grouping == "all":
        return (
            PAPER_WEAK["all"] if {q.groups.get("source", "").lower() for q in questions} & SOURCES else None
        )
    return PAPER_WEAK.get(name.lower()) if grouping == "source" else None


def _truth(questions: Sequence[Question]) -> tuple[np.ndarray, np.ndarray]:
    """[Q] bool: is the truth known; [Q] bool: does the text give the answer."""
    known = np.array([question.text_answerable is not None for question in questions], dtype=bool)
    return known, np.array([question.text_answerable is True for question in questions], dtype=bool)


def _kappa(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
