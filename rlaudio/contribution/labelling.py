"""Measure audio contribution by one of the methods, and keep the labels beside the data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Protocol

import numpy as np

from rlaudio.contribution.voters import LabelSettings, Silence, Voter
from rlaudio.contribution.voting import Variant, Votes
from rlaudio.data.labels_file import rows_of_others
from rlaudio.data.option_orders import tell_of_one_order
from rlaudio.rollout.endpoint_worker import EndpointModel
from rlaudio.runs.files import write_rows
from rlaudio.runs.places import LABEL_ROWS
from rlaudio.types import Contribution, Question, Style
from rlaudio.utils.file_locks import locked_folder
from rlaudio.utils.processes import Processes


class Labels(Protocol):
    """The measured audio contribution of every question, and what tables are made of."""

    @property
    def questions(self) -> Sequence[Question]:
        """Q questions."""

    @property
    def votes(self) -> Votes:
        """Who was right in silence."""

    @property
    def threshold(self) -> float:
        """Voters, or the probability, from which on a question is weak."""

    @property
    def weak(self) -> np.ndarray:
        """[Q] bool."""

    @property
    def weak_by_first_order(self) -> np.ndarray | None:
        """[Q] bool: weak by the options' order in the data alone; None where there is no other."""

    @property
    def scores(self) -> np.ndarray:
        """[Q] float64 in [0, 1]: 1 where no voter answers without the audio, 0 where all do."""

    @property
    def gains(self) -> np.ndarray | None:
        """[Q] float64 in [-1, 1], NaN without audio: p(gold | audio) - p(gold | silence), where measured."""

    @property
    def contributions(self) -> dict[str, Contribution]:
        """What was measured, by question id."""

    def describe(self) -> str:
        """The rule as text."""

    def unparsed(self) -> Mapping[str, float]:
        """By voter: share of the answers that name no option; empty where none are read."""

    def floor(self, questions: Sequence[Question]) -> float:
        """Share of these that guessing voters would call weak."""

    def variants(self) -> Mapping[str, Sequence[Variant]]:
        """The split under other `thresholds`, under fewer `orders`, and with voters left out."""


Method = Callable[[Sequence[Question], Mapping[str, Voter], LabelSettings], Labels]


def label(
    questions: Sequence[Question], voters: Mapping[str, Voter], settings: LabelSettings, method: Method
) -> Labels:
    """Ask the voters one after the other, label by `method` and write `labels.jsonl` into the folder.

    Each voter's answers are written there as they come, so that a labelling that was killed asks only what
    is missing. Labels of other questions in the file are kept.

    Raises ValueError for no questions, an id that occurs twice, no orders, a rule that the voters cannot
    meet, and what `PromptBuilder.prompt` raises; BlockingIOError where another process asks a voter.
    """
    _check(questions, settings)
    rows_of_others(settings.folder / LABEL_ROWS, questions)  # damage in it is told before anybody is asked
    labels = method(questions, voters, settings)
    if labels.weak_by_first_order is not None:
        tell_of_one_order(questions, "labels")
    with locked_folder(settings.folder):
        others = rows_of_others(settings.folder / LABEL_ROWS, questions)  # of a labelling meanwhile, too
        write_rows(settings.folder / LABEL_ROWS, chain(others, label_rows(labels)))
    return labels


def answer_share(
    questions: Sequence[Question],
    voters: Mapping[str, Voter],
    settings: LabelSettings,
    method: Method,
    processes: Processes,
) -> None:
    """Have this process ask its share of the questions, so that `label` then finds every answer kept.

    All processes must call and see the folder. Endpoints are left to `label`, which asks many at a time.
    Raises what `label` raises, PeerFailed where another process raised.
    """
    remote = any(isinstance(voter.prompts.family, EndpointModel) for voter in voters.values())
    if processes.size == 1 or remote:
        return
    _check(questions, settings)
    share = processes.share(questions)
    processes.each(lambda: method(share, voters, replace(settings, part=processes.rank)) if share else None)


@dataclass(frozen=True)
class OtherAsking:
    """Another way to ask the voters: how many labels change with it. None: as for the labels."""

    silence: Silence | None = None
    style: Style | None = None  # the wording of all questions

    def of(
        self, questions: Sequence[Question], settings: LabelSettings
    ) -> tuple[Sequence[Question], LabelSettings]:
        """The questions and the settings of a labelling, asked this way."""
        if self.silence is not None:
            settings = replace(settings, silence=self.silence)
        if self.style is not None:
            questions = [replace(question, style=self.style) for question in questions]
        return questions, settings


def asked_otherwise(
    labels: Labels,
    voters: Mapping[str, Voter],
    settings: LabelSettings,
    method: Method,
    others: Sequence[OtherAsking],
) -> list[Variant]:
    """How many labels change where the same voters are asked otherwise and the same rule is applied.

    Answers are kept beside the others; `labels.jsonl` stays as it is.
    """
    variants = []
    for other in others:
        questions, asked = other.of(labels.questions, settings)
        measured = method(questions, voters, asked)
        variant = Variant.of(labels.votes.voters, labels.threshold, measured.weak, labels.weak)
        silence = "" if other.silence is None else asked.describe_silence()
        variants.append(replace(variant, silence=silence, style=other.style or ""))
    return variants


def label_rows(labels: Labels) -> Iterator[dict[str, Any]]:
    """The lines of `labels.jsonl`: the question, what was measured of it, the rule, every voter's answers."""
    for question, measured in zip(labels.questions, labels.contributions.values(), strict=True):
        fields = {
            "id": question.id,
            "text_digest": question.text_digest,
            "contribution": measured.label,
            "score": measured.score,
            "interval": measured.interval,
            "gain": measured.gain,
            "gain_interval": measured.gain_interval,
            "rule": measured.method,
            "votes": measured.votes,
        }
        yield {name: value for name, value in fields.items() if value is not None}


def _check(questions: Sequence[Question], settings: LabelSettings) -> None:
    if not questions:
        raise ValueError("found no questions to label; expected at least one")
    twice = [name for name, count in Counter(question.id for question in questions).items() if count > 1]
    if twice:
        raise ValueError(
            f"{len(twice)} ids stand twice ({', '.join(twice[:3])}); labels are kept by id: make ids unique"
        )
    if settings.orders is not None and settings.orders < 1:
        raise ValueError(f"orders is {settings.orders}; expected 1 (the order of the data) or more")
