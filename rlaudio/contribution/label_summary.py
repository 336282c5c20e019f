"""Tables of a labelling, by category and source, and how reliable it is: against chance and the truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rlaudio.answers.unparsed import warn_if_unparsed
from rlaudio.contribution.labelling import Labels
from rlaudio.contribution.voters import orders_of
from rlaudio.contribution.voting import (
    OrderGain,
    Quality,
    Variant,
    chance_floor,
    fleiss_kappa,
    leave_one_out_variants,
    luck_ceiling,
    order_gain,
    pairwise_kappa,
    quality,
    threshold_variants,
)
from rlaudio.types import Question
from rlaudio.utils.number_format import percent
from rlaudio.utils.text_table import text_table


@dataclass(frozen=True)
class GroupLabels:
    """One line of the table; fractions."""

    grouping: str  # all, category or source
    name: str
    questions: int
    weak: float
    chance_floor: float  # share that voters who guess would call weak
    score: float  # mean contribution score
    right_in_silence: Mapping[str, float]  # by voter
    quality: Quality | None  # where the truth is known
    luck_ceiling: float | None  # of the F1

    def to_dict(self) -> dict[str, Any]:
        """The line as JSON, without grouping and name."""
        line = asdict(self)
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
    order_gain: OrderGain | None  # with several orders and a known truth

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
            "thresholds": [asdict(variant) for variant in self.thresholds],
            "leave_one_out": [asdict(variant) for variant in self.leave_one_out],
            "order_gain": None if gain is None else {**asdict(gain), "gain": gain.gain},
        }

    def table(self) -> str:
        """The tables as text, in percent."""
        sections = [
            f"Audio contribution, in percent: {self.rule}.",
            self._groups_table(),
            f"Unparsed: {', '.join(f'{name} {percent(share)}' for name, share in self.unparsed.items())}.",
            *self._truth_notes(),
            self._variants_table(),
            self._agreement_note(),
        ]
        return "\n\n".join(sections)

    def _groups_table(self) -> str:
        voters = list(self.groups[0].right_in_silence)
        header = ["", "questions", "weak", "by luck", "score", *voters]
        known = self.quality is not None
        if known:
            header += ["precision", "recall", "F1", "F1 ceiling"]
        rows = []
        for group in self.groups:
            title = "all" if group.grouping == "all" else f"{group.grouping}: {group.name}"
            shares: list[float | None] = [group.weak, group.chance_floor, group.score]
            shares += group.right_in_silence.values()
            if known:
                scores = group.quality or Quality(None, None, None)
                shares += [scores.precision, scores.recall, scores.f1, group.luck_ceiling]
            rows.append([title, str(group.questions), *map(percent, shares)])
        return "\n".join(
            [
                text_table(header, rows),
                "by luck: what voters that guess anew under every order would call weak; "
                "score: mean share of trials wrong in silence; by voter: right in silence.",
            ]
        )

    def _truth_notes(self) -> list[str]:
        notes = []
        if self.quality is not None:
            notes.append(
                "F1 ceiling, expected: the truly weak share w is found, luck adds the share l of the others: "
                "2w / (2w + (1 - w) l)."
            )
        if self.order_gain is not None:
            notes.append(
                f"F1 from the first option order alone {percent(self.order_gain.plain)}, "
                f"from all orders {percent(self.order_gain.debiased)}."
            )
        return notes

    def _variants_table(self) -> str:
        rows = [
            (
                f"{v.threshold} of {len(v.voters)}: {', '.join(v.voters)}",
                percent(v.weak),
                percent(v.flip_rate),
            )
            for v in (*self.thresholds, *self.leave_one_out)
        ]
        return text_table(["another vote", "weak", "labels flipped"], rows)

    def _agreement_note(self) -> str:
        pairs = [f"{first} and {second} {_kappa(k)}" for (first, second), k in self.cohen_kappa.items()]
        note = f"Agreement on who is right in silence: Fleiss kappa {_kappa(self.fleiss_kappa)}"
        return f"{note}; Cohen kappa {', '.join(pairs)}." if pairs else f"{note}."


def summarise(labels: Labels) -> LabelSummary:
    """All tables of a labelling. Warns of voters that rarely name an option."""
    votes, rule = labels.votes, labels.rule
    unparsed = {name: _unparsed(labels, name) for name in votes.voters}
    for name, share in unparsed.items():
        warn_if_unparsed(f"voter {name}, in silence", share, "questions look strong that may not be")
    known, truth = _truth(labels.questions)
    return LabelSummary(
        rule=rule.describe(len(votes.voters)),
        groups=tuple(
            _group(labels, grouping, name, items) for grouping, name, items in _groups(labels.questions)
        ),
        unparsed=unparsed,
        fleiss_kappa=fleiss_kappa(votes.right),
        cohen_kappa=pairwise_kappa(votes),
        thresholds=tuple(threshold_variants(votes, rule.threshold)),
        leave_one_out=tuple(leave_one_out_variants(votes, rule.threshold)),
        order_gain=(
            order_gain(votes.of(known), rule.threshold, truth[known])
            if rule.orders > 1 and known.any()
            else None
        ),
    )


def _groups(questions: Sequence[Question]) -> Iterator[tuple[str, str, np.ndarray]]:
    """(grouping, name, [Q] bool: who belongs to it)."""
    yield "all", "all", np.ones(len(questions), dtype=bool)
    for grouping in dict.fromkeys(grouping for question in questions for grouping in question.groups):
        of_question = np.array([question.groups.get(grouping, "") for question in questions])
        for name in np.unique(of_question[of_question != ""]):
            yield grouping, str(name), of_question == name


def _group(labels: Labels, grouping: str, name: str, items: np.ndarray) -> GroupLabels:
    votes, weak = labels.votes.of(items), labels.weak[items]
    questions = [labels.questions[number] for number in np.flatnonzero(items)]
    known, truth = _truth(questions)
    of_known = [question for question, is_known in zip(questions, known, strict=True) if is_known]
    return GroupLabels(
        grouping=grouping,
        name=name,
        questions=len(questions),
        weak=float(weak.mean()),
        chance_floor=_floor(labels, questions),
        score=float(votes.contribution_score.mean()),
        right_in_silence=dict(zip(votes.voters, votes.success.mean(axis=1).tolist(), strict=True)),
        quality=quality(weak[known], truth[known]) if of_known else None,
        luck_ceiling=(
            luck_ceiling(float(truth[known].mean()), _floor(labels, of_known)) if of_known else None
        ),
    )


def _floor(labels: Labels, questions: Sequence[Question]) -> float:
    return chance_floor(
        [len(question.choices) for question in questions],
        voters=len(labels.votes.voters),
        threshold=labels.rule.threshold,
        orders=labels.rule.orders,
    )


def _unparsed(labels: Labels, voter: str) -> float:
    verdicts = [
        labels.rule.scorer(variant, text)
        for question, texts in zip(labels.questions, labels.answers[voter], strict=True)
        for text, variant in zip(texts, orders_of(question, len(texts)), strict=True)
    ]
    return float(np.mean([verdict.unparsed for verdict in verdicts]))


def _truth(questions: Sequence[Question]) -> tuple[np.ndarray, np.ndarray]:
    """[Q] bool: is the truth known; [Q] bool: does the text give the answer."""
    known = np.array([question.text_answerable is not None for question in questions], dtype=bool)
    return known, np.array([question.text_answerable is True for question in questions], dtype=bool)


def _kappa(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
