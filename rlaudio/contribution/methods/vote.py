"""A vote in silence: weak if at least k of n voters are right (arXiv:2509.21060: 2 of 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rlaudio.contribution import THRESHOLD
from rlaudio.contribution.asking_options import check_options
from rlaudio.contribution.voters import LabelSettings, Voter, ask_in_silence
from rlaudio.contribution.voting import (
    Variant,
    Votes,
    by_order,
    chance_floor,
    is_weak,
    leave_one_out_variants,
    threshold_variants,
)
from rlaudio.data.option_orders import orders_of
from rlaudio.runs.journals import Journal, journal_path
from rlaudio.types import Contribution, Question, Scorer


def vote(
    questions: Sequence[Question],
    voters: Mapping[str, Voter],
    settings: LabelSettings,
    *,
    threshold: int = THRESHOLD,
) -> VoteLabels:
    """Greedy answers in silence, scored under each option order (the data's alone, if nothing is set).

    A voter is right that is right under most orders. Raises ValueError for a threshold outside 1..voters,
    and, before anybody is asked, for a question without options or without a known right one.
    """
    if not 1 <= threshold <= len(voters):
        raise ValueError(
            f"threshold {threshold} with {len(voters)} voters; expected 1 to the number of voters: "
            "name more voters or lower the threshold"
        )
    for question in questions:
        check_options(question)
    answers = {
        name: ask_in_silence(
            voter,
            questions,
            settings,
            journal=Journal(journal_path(settings.folder, name, voter.digest), part=settings.part),
            label=f"label: {name}",
        )
        for name, voter in voters.items()
    }
    right, unparsed = _judge(questions, answers, settings.scorer)
    return VoteLabels(tuple(questions), answers, right, unparsed, threshold, settings)


@dataclass(frozen=True, eq=False)
class VoteLabels:
    """Labels by vote, and the answers behind them."""

    questions: tuple[Question, ...]
    answers: Mapping[str, Sequence[tuple[str, ...]]]  # voter -> question -> text under each option order
    right: np.ndarray  # [V, Q, K] float64: 1 right, 0 wrong, NaN for orders that a question does not have
    unparsed_shares: Mapping[str, float]  # by voter, of all its answers
    threshold: int
    settings: LabelSettings

    @cached_property
    def votes(self) -> Votes:
        """Who was right in silence."""
        return Votes.under_orders(tuple(self.answers), self.right)

    @property
    def orders(self) -> int:
        """Cyclic orders of the options."""
        return self.settings.orders or 1

    @cached_property
    def weak(self) -> np.ndarray:
        """[Q] bool."""
        return is_weak(self.votes.right, self.threshold)

    @property
    def weak_by_first_order(self) -> np.ndarray | None:
        """[Q] bool: weak by the options' order in the data alone; None where there is no other."""
        return is_weak(self.votes.first_order, self.threshold) if self.orders > 1 else None

    @cached_property
    def scores(self) -> np.ndarray:
        """[Q] float64 in [0, 1]: one minus the share of trials that were right in silence."""
        return self.votes.contribution_score

    @property
    def gains(self) -> None:
        """Not measured: voters hear silence alone."""
        return None

    @property
    def contributions(self) -> dict[str, Contribution]:
        """What was measured, by question id."""
        rule = self.describe()
        return {
            question.id: Contribution(
                question_id=question.id,
                label="weak" if weak else "strong",
                score=float(self.scores[number]),
                method=rule,
                votes={
                    name: {
                        "success": float(self.votes.success[voter, number]),
                        "answers": list(self.answers[name][number]),
                    }
                    for voter, name in enumerate(self.votes.voters)
                },
            )
            for number, (question, weak) in enumerate(zip(self.questions, self.weak, strict=True))
        }

    def describe(self) -> str:
        """The rule as text."""
        orders = "" if self.orders == 1 else f" under most of {self.orders} option orders"
        silence = self.settings.describe_silence()
        return (
            f"weak if at least {self.threshold} of {len(self.votes.voters)} voters are right on {silence}"
            f"{orders}"
        )

    def unparsed(self) -> Mapping[str, float]:
        """By voter: share of the answers that name no option and count as wrong."""
        return self.unparsed_shares

    def floor(self, questions: Sequence[Question]) -> float:
        """Share of these that guessing voters would call weak."""
        return chance_floor(
            [len(question.choices) for question in questions],
            voters=len(self.votes.voters),
            threshold=self.threshold,
            orders=[sum(1 for _ in orders_of(question, self.orders)) for question in questions],
        )

    def variants(self) -> dict[str, list[Variant]]:
        """The split under other thresholds, under fewer orders, and with voters left out."""
        return {
            "thresholds": threshold_variants(self.votes, self.threshold),
            "leave_one_out": leave_one_out_variants(self.votes, self.threshold),
            "orders": [self._under(orders) for orders in range(1, self.orders)],
        }

    def _under(self, orders: int) -> Variant:
        """The vote on the first few orders alone."""
        votes = Votes.under_orders(tuple(self.answers), self.right[:, :, :orders])
        weak = is_weak(votes.right, self.threshold)
        return Variant.of(votes.voters, self.threshold, weak, self.weak, orders=orders)


def _judge(
    questions: Sequence[Question], answers: Mapping[str, Sequence[tuple[str, ...]]], scorer: Scorer
) -> tuple[np.ndarray, dict[str, float]]:
    """Who is right, [V, Q, K] as of `by_order`, each answer judged under the order in which it was given.

    And by voter the share of its answers that name no option.
    """
    right: list[list[list[float]]] = []
    unparsed: dict[str, float] = {}
    for name, of_voter in answers.items():
        verdicts = [
            [
                scorer(variant, text)
                for text, variant in zip(texts, orders_of(question, len(texts)), strict=True)
            ]
            for question, texts in zip(questions, of_voter, strict=True)
        ]
        right.append([[float(verdict.right) for verdict in of_question] for of_question in verdicts])
        unparsed[name] = float(np.mean([each.unparsed for of_question in verdicts for each in of_question]))
    return by_order(right), unparsed
