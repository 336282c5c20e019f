"""Probabilities of the options' letters, for voters behind endpoints that tell their likeliest first tokens.

Another quantity than `options`, which spells the options out: an answer begins with a letter, and what a
server does not tell of the first token's probability makes an interval. Costs one request of one new token
for each question, order and control; nothing is shared between them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, Literal

from rlaudio.contribution.asking_options import check_options
from rlaudio.contribution.letter_shares import LetterShares
from rlaudio.contribution.probability_labels import (
    WEAK_FROM,
    ProbabilityLabels,
    ask_in_silence_and_heard,
    check_probability,
)
from rlaudio.contribution.voters import LabelSettings, Voter
from rlaudio.data.option_orders import orders_of
from rlaudio.rollout.endpoint_worker import EndpointModel
from rlaudio.types import Prompt, Question
from rlaudio.utils.number_format import of_all
from rlaudio.utils.progress import progress

logger = logging.getLogger(__name__)

_WHAT = "the options' letters, first token"
_BLOCK = 64  # questions whose prompts exist at a time


def letters(
    questions: Sequence[Question],
    voters: Mapping[str, Voter],
    settings: LabelSettings,
    *,
    weak_from: float = WEAK_FROM,
    with_audio: bool = True,
) -> ProbabilityLabels:
    """Shares of the letters under each cyclic order (all orders, if nothing is set), asked in MMSU's words.

    A question is weak where p(gold | silence) is `weak_from` or more, taken in the middle of its interval;
    how many labels another value in it would flip is logged. Raises ValueError for questions without options
    or without a right one, for voters in a folder, and for servers that tell no log-probs.
    """
    check_probability(weak_from)
    _refuse_folders(voters)
    for question in questions:
        check_options(question)

    def ask(name: str, voter: Voter, asked: Sequence[Question], control: Literal["silence", "audio"]) -> list:
        return _ask(name, voter, asked, settings, control)

    unheard, heard = ask_in_silence_and_heard(questions, voters, ask, with_audio)
    labels = ProbabilityLabels(tuple(questions), unheard, heard, weak_from, _WHAT, settings)
    _warn_of_unsure(labels)
    return labels


def _ask(
    name: str,
    voter: Voter,
    questions: Sequence[Question],
    settings: LabelSettings,
    control: Literal["audio", "silence"],
) -> list[LetterShares]:
    """The voter's letters of every question; the endpoint's answers are kept, and asked once."""
    shares: list[LetterShares] = []
    blocks = [questions[start : start + _BLOCK] for start in range(0, len(questions), _BLOCK)]
    with closing(voter.open_worker()) as opened:
        worker: Any = opened  # an EndpointWorker, since its model is behind an endpoint
        for block in progress(blocks, total=len(blocks), label=f"label: {name}, {control}", unit="block"):
            asked = [list(_prompts(voter, question, settings, control)) for question in block]
            told = iter(worker.first_tokens([prompt for prompts in asked for prompt in prompts]))
            for prompts in asked:
                variants = [prompt.question for prompt in prompts]
                orders = [(next(told), len(each.choices), each.answer_index) for each in variants]
                shares.append(LetterShares.of(orders))
    return shares


def _prompts(
    voter: Voter, question: Question, settings: LabelSettings, control: Literal["audio", "silence"]
) -> Sequence[Prompt]:
    seconds: Any = None if settings.silence == "clip" or control == "audio" else settings.silence
    variants = orders_of(replace(question, style="letters"), settings.orders or len(question.choices))
    return [voter.prompts.prompt(variant, control, silence_seconds=seconds) for variant in variants]


def _refuse_folders(voters: Mapping[str, Voter]) -> None:
    local = [name for name, voter in voters.items() if not isinstance(voter.prompts.family, EndpointModel)]
    if local:
        raise ValueError(
            f"{', '.join(local)}: a voter in a folder is asked for its options spelled out, which is another "
            "quantity than letters; expected endpoints: set contribution.use to options for this one, and "
            "label twice"
        )


def _warn_of_unsure(labels: ProbabilityLabels) -> None:
    unsure = [
        each.interval is not None and each.interval[0] < labels.weak_from <= each.interval[1]
        for each in labels.answerability
    ]
    if any(unsure):
        logger.warning(
            "%s labels depend on probability that the servers did not tell",
            of_all(sum(unsure), len(unsure)),
        )
