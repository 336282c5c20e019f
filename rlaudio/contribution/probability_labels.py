"""Labels by the probability of the gold option, however that was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol, TypeVar

import numpy as np

from rlaudio.contribution.asking_options import check_options
from rlaudio.contribution.option_shares import ShareEstimate
from rlaudio.contribution.voters import LabelSettings, Voter
from rlaudio.contribution.voting import Variant, Votes, by_order
from rlaudio.types import Contribution, Question
from rlaudio.utils.number_format import counted

_OTHER_THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)


_S = TypeVar("_S")
_Ask = Callable[[str, Voter, Sequence[Question], Literal["silence", "audio"]], list[_S]]  # of a voter by name


WEAK_FROM = 0.5  # p(gold | silence) from which on a question is weak


class Shares(Protocol):
    """What was measured of a question and a voter, in silence or with audio, under K orders."""

    @property
    def gold_shares(self) -> np.ndarray:
        """[K] float64: the gold option's share."""

    @property
    def chosen_gold(self) -> np.ndarray:
        """[K] bool: whether the gold option is the likeliest."""

    @staticmethod
    def answerability(unheard: Any) -> ShareEstimate:
        """p(gold | silence), of several voters' shares of one question."""

    @staticmethod
    def audio_gain(pairs: Any) -> ShareEstimate:
        """p(gold | audio) - p(gold | silence), of several voters' (heard, unheard) of one question."""

    def details(self, heard: Any) -> dict[str, Any]:
        """What the voter says of the question, as JSON; `heard` is the same with audio, or None."""


def ask_in_silence_and_heard(
    questions: Sequence[Question], voters: Mapping[str, Voter], ask: _Ask[_S], with_audio: bool
) -> tuple[dict[str, list[_S]], dict[str, list[_S | None]]]:
    """What every voter says of every question, in silence and with audio.

    None with audio for a question without a clip; nothing at all where no audio is asked for.
    Raises ValueError for a question without options or without a known right one.
    """
    for question in questions:
        check_options(question)
    unheard = {name: ask(name, voter, questions, "silence") for name, voter in voters.items()}
    audible = [question for question in questions if question.clips]
    heard: dict[str, list[_S | None]] = {}
    for name, voter in voters.items() if with_audio and audible else ():
        answers = iter(ask(name, voter, audible, "audio"))
        heard[name] = [next(answers) if question.clips else None for question in questions]
    return unheard, heard


def check_probability(weak_from: float) -> None:
    """Raises ValueError for what no label can be decided by."""
    if not 0.0 < weak_from < 1.0:
        raise ValueError(f"weak_from is {weak_from}; expected a probability between 0 and 1")


@dataclass(frozen=True, eq=False)
class ProbabilityLabels:
    """Labels by the gold option's probability, and what was measured of it."""

    questions: tuple[Question, ...]
    unheard: Mapping[str, Sequence[Shares]]  # voter -> question, in silence
    heard: Mapping[str, Sequence[Shares | None]]  # the same with audio, None without; empty: not measured
    weak_from: float
    of_what: str  # is the probability, in the rule
    settings: LabelSettings

    @cached_property
    def answerability(self) -> list[ShareEstimate]:
        """p(gold | silence) of each question, mean over voters and orders."""
        measured = [[of_voter[n] for of_voter in self.unheard.values()] for n in self._numbers]
        return [of_question[0].answerability(of_question) for of_question in measured]

    @property
    def threshold(self) -> float:
        """The probability from which on a question is weak."""
        return self.weak_from

    @cached_property
    def weak(self) -> np.ndarray:
        """[Q] bool."""
        return self.shares() >= self.weak_from

    @property
    def weak_by_first_order(self) -> np.ndarray | None:
        """[Q] bool: weak by the options' order in the data alone; None where there is no other."""
        return self.shares(orders=1) >= self.weak_from if self._orders > 1 else None

    @cached_property
    def scores(self) -> np.ndarray:
        """[Q] float64 in [0, 1]: 1 - p(gold | silence)."""
        return 1.0 - self.shares()

    @cached_property
    def gains(self) -> np.ndarray | None:
        """[Q] float64 in [-1, 1], NaN without audio: p(gold | audio) - p(gold | silence), where measured."""
        if not self.heard:
            return None
        return np.array([gain.value if gain else np.nan for gain in self._gains])

    @cached_property
    def votes(self) -> Votes:
        """Who finds the gold option likeliest in silence."""
        chosen = by_order([[each.chosen_gold for each in of_voter] for of_voter in self.unheard.values()])
        return Votes.under_orders(tuple(self.unheard), chosen)

    @property
    def contributions(self) -> dict[str, Contribution]:
        """What was measured, by question id."""
        rule = self.describe()
        return {
            question.id: Contribution(
                question_id=question.id,
                label="weak" if weak else "strong",
                score=1.0 - self.answerability[n].value,
                interval=_from_one(self.answerability[n].interval),
                method=rule,
                votes={
                    name: of_voter[n].details(self._heard(name, n)) for name, of_voter in self.unheard.items()
                },
                gain=gain.value if (gain := self._gains[n]) else None,
                gain_interval=gain.interval if gain else None,
            )
            for n, (question, weak) in enumerate(zip(self.questions, self.weak, strict=True))
        }

    def describe(self) -> str:
        """The rule as text."""
        voters, orders = counted(len(self.unheard), "voter"), counted(self._orders, "option order")
        return (
            f"weak if p(gold | silence) is at least {self.weak_from:g}: its share among {self.of_what}, mean "
            f"over {voters} and {orders}, on {self.settings.describe_silence()}"
        )

    def unparsed(self) -> dict[str, float]:
        """Nothing is read, so nothing is unparsed."""
        return {}

    def floor(self, questions: Sequence[Question]) -> float:
        """Share of these that voters would call weak for which all options are alike."""
        return float(np.mean([1.0 / len(question.choices) >= self.weak_from for question in questions]))

    def variants(self) -> dict[str, list[Variant]]:
        """The split under other thresholds, under fewer orders, and with voters left out."""
        everyone, weak = tuple(self.unheard), self.weak
        others = [name for name in everyone if len(everyone) > 1]
        without = [tuple(name for name in everyone if name != left_out) for left_out in others]
        return {
            "thresholds": [
                Variant.of(everyone, float(t), self.shares() >= t, weak) for t in _OTHER_THRESHOLDS
            ],
            "orders": [
                Variant.of(everyone, self.weak_from, self.shares(k) >= self.weak_from, weak, orders=k)
                for k in range(1, self._orders)
            ],
            "leave_one_out": [
                Variant.of(some, self.weak_from, self.shares(voters=some) >= self.weak_from, weak)
                for some in without
            ],
        }

    def shares(self, orders: int | None = None, voters: Sequence[str] | None = None) -> np.ndarray:
        """[Q] float64: p(gold | silence), by some voters and the first orders alone."""
        some = [voters is None or name in voters for name in self.unheard]
        of_voters: np.ndarray = np.nanmean(self._gold_shares[some, :, :orders], axis=2)  # [V, Q]
        return of_voters.mean(axis=0)

    @property
    def _numbers(self) -> range:
        return range(len(self.questions))

    @cached_property
    def _gold_shares(self) -> np.ndarray:
        """[V, Q, K] float64, as of `by_order`: the gold option's share in silence."""
        return by_order([[each.gold_shares for each in of_voter] for of_voter in self.unheard.values()])

    @property
    def _orders(self) -> int:
        """The most orders that a question was asked under."""
        return int(self._gold_shares.shape[2])

    @cached_property
    def _gains(self) -> list[ShareEstimate | None]:
        """The audio contribution of each question; None without audio."""
        return [self._gain(n) for n in self._numbers]

    def _heard(self, voter: str, number: int) -> Shares | None:
        return self.heard[voter][number] if voter in self.heard else None

    def _gain(self, number: int) -> ShareEstimate | None:
        """The audio contribution of a question, mean over voters and orders."""
        pairs = [
            (heard, of_voter[number])
            for name, of_voter in self.unheard.items()
            if (heard := self._heard(name, number)) is not None
        ]
        return pairs[0][0].audio_gain(pairs) if pairs else None


def _from_one(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    return None if interval is None else (1.0 - interval[1], 1.0 - interval[0])
