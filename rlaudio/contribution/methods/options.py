"""Probabilities of the options in silence and with the audio: weak where text gives the gold option away.

Of each question two quantities are kept apart: text-answerability, p(gold | silence), which decides the
label, and audio contribution, p(gold | audio) - p(gold | silence), which is the label's `gain`. Both are
means over option orders and voters, with an interval over orders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from rlaudio.contribution.asking_options import ask_options, check_options, option_tokens, spelled_out
from rlaudio.contribution.labelling import LabelSettings
from rlaudio.contribution.option_shares import AudioGain, Estimate, OptionLogprobs, mean_estimate
from rlaudio.contribution.voters import Journal, Voter, journal_path, key_of
from rlaudio.contribution.voting import Variant, Votes
from rlaudio.rollout.endpoint.endpoint_worker import EndpointModel
from rlaudio.rollout.worker import LogprobWorker, as_logprob_worker
from rlaudio.types import Contribution, Prompt, Question
from rlaudio.utils.number_format import counted
from rlaudio.utils.progress import progress

_OTHER_THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)
_BLOCK = 64  # questions whose prompts are made before the next progress is shown


def options(
    questions: Sequence[Question],
    voters: Mapping[str, Voter],
    settings: LabelSettings,
    *,
    weak_from: float = 0.5,
    with_audio: bool = True,
) -> OptionLabels:
    """Log-probs of every option under each cyclic order (all orders, if nothing is set).

    A question is weak where p(gold | silence) is `weak_from` or more. `with_audio: false` leaves the audio
    contribution out, and half of the work. A question without a clip has a label and no gain. Raises
    ValueError for questions without options or without a right one, and for voters behind an endpoint.
    """
    if not 0.0 < weak_from < 1.0:
        raise ValueError(f"weak_from is {weak_from}; expected a probability between 0 and 1")
    for question in questions:
        check_options(question)
    _refuse_endpoints(voters)
    unheard = {name: _ask(name, voter, questions, settings, "silence") for name, voter in voters.items()}
    audible = [question for question in questions if question.clips]
    heard = {}
    for name, voter in voters.items() if with_audio and audible else ():
        answers = iter(_ask(name, voter, audible, settings, "audio"))
        heard[name] = [next(answers) if question.clips else None for question in questions]
    return OptionLabels(tuple(questions), unheard, heard, weak_from, settings)


@dataclass(frozen=True, eq=False)
class OptionLabels:
    """Labels by the gold option's probability, and the log-probs behind them."""

    questions: tuple[Question, ...]
    unheard: Mapping[str, Sequence[OptionLogprobs]]  # voter -> question, in silence
    heard: Mapping[str, Sequence[OptionLogprobs | None]]  # the same with audio; empty: not measured
    weak_from: float
    settings: LabelSettings

    @cached_property
    def answerability(self) -> list[Estimate]:
        """p(gold | silence) of each question, mean over voters and orders."""
        return [
            mean_estimate([of_voter[n].gold_shares for of_voter in self.unheard.values()], 0.0, 1.0)
            for n in range(len(self.questions))
        ]

    @cached_property
    def audio_gains(self) -> list[dict[str, AudioGain]]:
        """Of each question what its audio adds, by voter; empty where that was not measured."""
        pairs = [
            {name: (of_voter[n], self.unheard[name][n]) for name, of_voter in self.heard.items()}
            for n in range(len(self.questions))
        ]
        return [
            {name: AudioGain.of(heard, unheard) for name, (heard, unheard) in of_question.items() if heard}
            for of_question in pairs
        ]

    @property
    def weak(self) -> np.ndarray:
        """[Q] bool."""
        return self.shares() >= self.weak_from

    @property
    def weak_by_first_order(self) -> np.ndarray | None:
        """[Q] bool: weak by the options' order in the data alone; None where there is no other."""
        return self.shares(orders=1) >= self.weak_from if self._orders > 1 else None

    @property
    def scores(self) -> np.ndarray:
        """[Q] float64 in [0, 1]: 1 - p(gold | silence)."""
        return 1.0 - self.shares()

    @property
    def gains(self) -> np.ndarray | None:
        """[Q] float64 in [-1, 1], NaN without audio: p(gold | audio) - p(gold | silence), where measured."""
        if not self.heard:
            return None
        return np.array([gain.value if (gain := self._gain(n)) else np.nan for n in self._numbers])

    @property
    def votes(self) -> Votes:
        """Who finds the gold option likeliest in silence."""
        chosen = [[each.chosen_gold for each in of_voter] for of_voter in self.unheard.values()]
        return Votes(
            voters=tuple(self.unheard),
            success=np.array([[orders.mean() for orders in of_voter] for of_voter in chosen]),
            first_order=np.array([[orders[0] for orders in of_voter] for of_voter in chosen]),
        )

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
                votes={name: self._of_voter(name, n) for name in self.unheard},
                gain=gain.value if (gain := self._gain(n)) else None,
                gain_interval=gain.interval if gain else None,
            )
            for n, (question, weak) in enumerate(zip(self.questions, self.weak, strict=True))
        }

    def describe(self) -> str:
        """The rule as text."""
        voters, orders = counted(len(self.unheard), "voter"), counted(self._orders, "option order")
        return (
            f"weak if p(gold | silence) is at least {self.weak_from:g}: its share among the options, spelled "
            f"out, mean over {voters} and {orders}, on {self.settings.describe_silence()}"
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
        some = [self.unheard[name] for name in voters or self.unheard]
        return np.array(
            [np.mean([of_voter[n].gold_shares[:orders].mean() for of_voter in some]) for n in self._numbers]
        )

    @property
    def _numbers(self) -> range:
        return range(len(self.questions))

    @property
    def _orders(self) -> int:
        """The most orders that a question was asked under."""
        return max(len(each.logprobs) for each in next(iter(self.unheard.values())))

    def _gain(self, number: int) -> Estimate | None:
        """The audio contribution of a question, mean over voters and orders."""
        pairs = [(of_voter[number], self.unheard[name][number]) for name, of_voter in self.heard.items()]
        differences = [heard.gold_shares - unheard.gold_shares for heard, unheard in pairs if heard]
        return mean_estimate(differences, -1.0, 1.0) if differences else None

    def _of_voter(self, name: str, number: int) -> dict[str, Any]:
        """What a voter says of a question, as JSON."""
        text = mean_estimate([self.unheard[name][number].gold_shares], 0.0, 1.0)
        fields: dict[str, Any] = {"answerability": text.value, "interval": text.interval}
        if gain := self.audio_gains[number].get(name):
            fields |= {
                "gain": gain.probability.value,
                "gain_interval": gain.probability.interval,
                "heard": gain.heard,
                "margin": gain.margin,
                "pmi": gain.pmi,
            }
        return fields


def _ask(
    name: str,
    voter: Voter,
    questions: Sequence[Question],
    settings: LabelSettings,
    control: Literal["audio", "silence"],
) -> list[OptionLogprobs]:
    """The voter's log-probs of the options of every question; those in its journal are not asked again."""
    measured: list[OptionLogprobs] = []
    with ExitStack() as stack:
        kept = stack.enter_context(Journal(journal_path(settings.folder, name, voter, "options"), "logprobs"))
        of_options = _KeptAnswers(voter, kept, stack)
        blocks = [questions[start : start + _BLOCK] for start in range(0, len(questions), _BLOCK)]
        for block in progress(blocks, total=len(blocks), label=f"label: {name}, {control}", unit="block"):
            measured += ask_options(
                block,
                voter.prompts,
                of_options,
                control,
                silence=settings.silence,
                orders=settings.orders,
                batch=settings.batch_questions,
            )
    return measured


class _KeptAnswers:
    """Log-probs of the options of prompts, from the journal where they are in it."""

    def __init__(self, voter: Voter, kept: Journal, stack: ExitStack) -> None:
        self._voter = voter
        self._family: Any = voter.prompts.family
        self._kept = kept
        self._stack = stack  # closes the worker
        self._worker: LogprobWorker | None = None

    def __call__(self, prompts: Sequence[Prompt]) -> list[np.ndarray]:
        keys = [self._key(prompt) for prompt in prompts]
        new = {key: p for key, p in zip(keys, prompts, strict=True) if key not in self._kept}
        if new:
            if self._worker is None:
                worker = self._stack.enter_context(closing(self._voter.open_worker()))
                self._worker = as_logprob_worker(worker)
            answers = spelled_out(self._worker, self._family)(list(new.values()))
            self._kept.add({key: answer.tolist() for key, answer in zip(new, answers, strict=True)})
        return [np.array(self._kept[key], dtype=np.float64) for key in keys]

    def _key(self, prompt: Prompt) -> str:
        """Digest of all that the log-probs depend on, apart from the weights."""
        return key_of(prompt, *(ids.tobytes() for ids in option_tokens(self._family, prompt)))


def _refuse_endpoints(voters: Mapping[str, Voter]) -> None:
    remote = [name for name, voter in voters.items() if isinstance(voter.prompts.family, EndpointModel)]
    if remote:
        raise ValueError(
            f"{', '.join(remote)}: an endpoint does not say how likely given options are; expected voters in "
            "a folder; for this one set contribution.use to letters, which asks for the options' letters and "
            "their top log-probs, or to vote"
        )


def _from_one(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    return None if interval is None else (1.0 - interval[1], 1.0 - interval[0])
