"""The answers of an evaluation: one row for every question under every control, with all verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rlaudio.types import ContributionLabel, Control, Question, Verdict

TRUTHS = {True: "text-answerable", False: "audio-only"}  # names of the groups of the grouping "truth"


@dataclass(frozen=True)
class AnswerRow:
    """One question under one control, and what was answered."""

    question: Question
    control: Control
    heard: str  # id of the question whose clip was heard (silence: whose clip gave the length)
    text: str
    verdicts: Mapping[str, Verdict]  # by scorer, the evaluation's own first
    truncated: bool  # stopped by the token limit
    contribution: ContributionLabel | None = None
    order: int = 0  # places by which the options were moved forward

    @property
    def groups(self) -> dict[str, str]:
        """The name of the row's group in every grouping; a grouping is left out where it is not known."""
        return group_names(self.question.groups, self.contribution, self.question.text_answerable)

    @property
    def verdict(self) -> Verdict:
        """The verdict of the evaluation's own scorer."""
        return next(iter(self.verdicts.values()))

    def to_dict(self) -> dict[str, Any]:
        """The row as JSON; the verdict of the evaluation's own scorer is also stored flat."""
        question = self.question
        return {
            "id": question.id,
            "control": self.control,
            "order": self.order,
            "heard": self.heard,
            "groups": dict(question.groups),
            "contribution": self.contribution,
            "text_answerable": question.text_answerable,
            "question": question.question,
            "clips": list(question.clip_names),
            "choices": list(question.choices),
            "answer": question.answer,
            "text": self.text,
            "status": self.verdict.status,
            "predicted": self.verdict.read,
            "right": self.verdict.right,
            "truncated": self.truncated,
            "verdicts": {scorer: asdict(verdict) for scorer, verdict in self.verdicts.items()},
        }


def group_names(
    groups: Mapping[str, str], contribution: str | None, text_answerable: bool | None
) -> dict[str, str]:
    """The name of a question's group in every grouping of the tables."""
    names = {"all": "all", **groups}
    if contribution:
        names["contribution"] = contribution
    if text_answerable is not None:
        truth = names["truth"] = TRUTHS[text_answerable]
        if "source" in names:
            names["source_truth"] = f"{names['source']}, {truth}"
    return names


def grouped(rows: Sequence[AnswerRow]) -> Iterator[tuple[str, str, dict[Control, list[AnswerRow]]]]:
    """(grouping, name, {control: rows}) of every group that has questions, names in order."""
    for grouping in dict.fromkeys(grouping for row in rows for grouping in row.groups):
        groups: dict[str, dict[Control, list[AnswerRow]]] = {}
        for row in rows:
            if grouping in row.groups:
                groups.setdefault(row.groups[grouping], {}).setdefault(row.control, []).append(row)
        for name in sorted(groups):
            yield grouping, name, groups[name]
