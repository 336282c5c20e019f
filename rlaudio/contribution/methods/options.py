"""Probabilities of the options in silence and with the audio: weak where text gives the gold option away.

Of each question two quantities are kept apart: text-answerability, p(gold | silence), which decides the
label, and audio contribution, p(gold | audio) - p(gold | silence), which is the label's `gain`. Both are
means over option orders and voters, with an interval over orders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from typing import Any, Literal

import numpy as np

from rlaudio.contribution.asking_options import ask_options, option_tokens, spelled_out
from rlaudio.contribution.option_shares import OptionLogprobs
from rlaudio.contribution.probability_labels import (
    WEAK_FROM,
    ProbabilityLabels,
    ask_in_silence_and_heard,
    check_probability,
)
from rlaudio.contribution.voters import LabelSettings, Voter, key_of
from rlaudio.rollout.endpoint_worker import EndpointModel
from rlaudio.rollout.worker import LogprobWorker, as_logprob_worker
from rlaudio.runs.journals import Journal, journal_path
from rlaudio.types import Prompt, Question
from rlaudio.utils.progress import progress

_WHAT = "the options, spelled out"
_BLOCK = 64  # questions whose prompts are made before the next progress is shown


def options(
    questions: Sequence[Question],
    voters: Mapping[str, Voter],
    settings: LabelSettings,
    *,
    weak_from: float = WEAK_FROM,
    with_audio: bool = True,
) -> ProbabilityLabels:
    """Log-probs of every option under each cyclic order (all orders, if nothing is set).

    A question is weak where p(gold | silence) is `weak_from` or more. `with_audio: false` leaves the audio
    contribution out, and half of the work. A question without a clip has a label and no gain. Raises
    ValueError for questions without options or without a right one, and for voters behind an endpoint.
    """
    check_probability(weak_from)
    _refuse_endpoints(voters)

    def ask(name: str, voter: Voter, asked: Sequence[Question], control: Literal["silence", "audio"]) -> list:
        return _ask(name, voter, asked, settings, control)

    unheard, heard = ask_in_silence_and_heard(questions, voters, ask, with_audio)
    labels = ProbabilityLabels(tuple(questions), unheard, heard, weak_from, _WHAT, settings)
    return labels


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
        path = journal_path(settings.folder, name, voter.digest, "options")
        kept = stack.enter_context(Journal(path, "logprobs", settings.part))
        of_options = _KeptAnswers(voter, kept, stack)
        blocks = [questions[start : start + _BLOCK] for start in range(0, len(questions), _BLOCK)]
        label = kept.labelled(f"label: {name}, {control}")
        for block in progress(blocks, total=len(blocks), label=label, unit="block"):
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
