"""Measure audio contribution: voters answer in silence, and their vote is the label, kept beside the data."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rlaudio.contribution.voters import Silence, Voter, ask_in_silence, journal_path, orders_of
from rlaudio.contribution.voting import Votes, is_weak
from rlaudio.data.labels_file import LABELS_FILE
from rlaudio.data.rows import read_rows
from rlaudio.types import Contribution, Question, Scorer


@dataclass(frozen=True)
class Rule:
    """How answers on silence become labels, arXiv:2509.21060."""

    threshold: int  # weak if at least so many voters are right
    silence: Silence
    orders: int  # cyclic orders of the options; a voter is right if it is right under most of them
    scorer: Scorer  # the paper does not say which

    def describe(self, voters: int) -> str:
        """The rule as text."""
        silence = (
            "silence as long as the clip" if self.silence == "clip" else f"{self.silence:g} s of silence"
        )
        orders = "" if self.orders == 1 else f" under most of {self.orders} option orders"
        return f"weak if at least {self.threshold} of {voters} voters are right on {silence}{orders}"


@dataclass(frozen=True, eq=False)
class Labels:
    """The measured audio contribution of every question."""

    questions: tuple[Question, ...]
    answers: Mapping[str, Sequence[tuple[str, ...]]]  # voter -> question -> text under each option order
    votes: Votes
    rule: Rule

    @property
    def weak(self) -> np.ndarray:
        """[Q] bool."""
        return is_weak(self.votes.right, self.rule.threshold)

    @property
    def contributions(self) -> dict[str, Contribution]:
        """What was measured, by question id."""
        rule = self.rule.describe(len(self.votes.voters))
        return {
            question.id: Contribution(
                question_id=question.id,
                label="weak" if self.weak[number] else "strong",
                score=float(self.votes.contribution_score[number]),
                method=rule,
                votes={
                    name: {
                        "success": float(self.votes.success[voter, number]),
                        "answers": list(self.answers[name][number]),
                    }
                    for voter, name in enumerate(self.votes.voters)
                },
            )
            for number, question in enumerate(self.questions)
        }

    def rows(self) -> list[dict[str, Any]]:
        """The lines of `labels.jsonl`: the question, contribution, score, the rule, every voter's answers."""
        return [
            {
                "id": question.id,
                "text_digest": question.text_digest,
                "contribution": measured.label,
                "score": measured.score,
                "rule": measured.method,
                "votes": measured.votes,
            }
            for question, measured in zip(self.questions, self.contributions.values(), strict=True)
        ]


def label(
    questions: Sequence[Question],
    voters: Mapping[str, Voter],
    *,
    folder: Path,
    rule: Rule,
    batch_questions: int,
    max_new_tokens: int,
) -> Labels:
    """Ask the voters one after the other, take the vote and write `labels.jsonl` into `folder`.

    `folder` is that of the data file. Each voter's answers are written there as they come, so that a
    labelling that was killed asks only what is missing. Labels of other questions in the file are kept.

    Raises ValueError for no questions, an id that occurs twice, no orders or a threshold outside
    1..voters, and what `PromptBuilder.prompt` raises.
    """
    _check(questions, voters, rule)
    others = _labels_of_others(folder / LABELS_FILE, questions)
    answers = {
        name: ask_in_silence(
            voter,
            questions,
            journal=journal_path(folder, name, voter),
            silence=rule.silence,
            orders=rule.orders,
            batch_questions=batch_questions,
            max_new_tokens=max_new_tokens,
            label=f"label: {name}",
        )
        for name, voter in voters.items()
    }
    labels = Labels(tuple(questions), answers, _count(questions, answers, rule.scorer), rule)
    _write([*others, *labels.rows()], folder / LABELS_FILE)
    return labels


def _check(questions: Sequence[Question], voters: Mapping[str, Voter], rule: Rule) -> None:
    if not questions:
        raise ValueError("found no questions to label; expected at least one")
    twice = [name for name, count in Counter(question.id for question in questions).items() if count > 1]
    if twice:
        raise ValueError(
            f"{len(twice)} ids stand twice ({', '.join(twice[:3])}); labels are kept by id: make ids unique"
        )
    if not 1 <= rule.threshold <= len(voters):
        raise ValueError(
            f"threshold {rule.threshold} with {len(voters)} voters; expected 1 to the number of voters: "
            "name more voters or lower the threshold"
        )
    if rule.orders < 1:
        raise ValueError(f"orders is {rule.orders}; expected 1 (the order of the data) or more")


def _count(
    questions: Sequence[Question], answers: Mapping[str, Sequence[tuple[str, ...]]], scorer: Scorer
) -> Votes:
    """Score every answer, each under the option order in which it was given."""
    right = [
        [
            [
                scorer(variant, text).right
                for text, variant in zip(texts, orders_of(question, len(texts)), strict=True)
            ]
            for question, texts in zip(questions, of_voter, strict=True)
        ]
        for of_voter in answers.values()
    ]
    return Votes(
        voters=tuple(answers),
        success=np.array([[np.mean(trials) for trials in of_voter] for of_voter in right]),
        first_order=np.array([[trials[0] for trials in of_voter] for of_voter in right]),
    )


def _labels_of_others(path: Path, questions: Sequence[Question]) -> list[Mapping[str, Any]]:
    """The rows of a labels file that are of none of the questions, but perhaps of others with their ids.

    Raises ValueError for a damaged row: now, since the answers of hours would be lost with it later.
    """
    fresh = {question.id: question.text_digest for question in questions}
    rows = read_rows(path) if path.exists() else ()
    return [
        row.fields
        for row in rows
        if row.text("id") not in fresh
        or row.text("text_digest", default="") not in ("", fresh[row.text("id")])
    ]


def _write(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Replace the file; atomic."""
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
