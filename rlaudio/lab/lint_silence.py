"""The lint that asks how much of a reward's pay goes to what silence would have answered too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from rlaudio.lab.evidence import Evidence, LintResult
from rlaudio.lab.stored import group_and_sample
from rlaudio.types import Question, Verdict
from rlaudio.utils.number_format import percent_mark

_MUCH = 0.5  # share of the pay that may go there
_FEW = 20  # completions below which a share says nothing
_LIKELY = float(np.log(0.5))  # log-prob of a completion in silence from which silence would have given it


def pays_silence(evidence: Evidence) -> LintResult:
    """How much of what is paid, above the least, goes to completions that silence gives, too?

    These are the ones that are likelier than not in silence, where the run measured that; else those with
    the answer of most voters in silence; where the labels have no voters, those to weak questions.
    """
    values = np.concatenate(list(evidence.values))
    silent = np.array([s for number in range(len(evidence.groups)) for s in _silent(evidence, number)])
    known = ~np.isnan(values) & ~np.isnan(silent)
    if known.sum() < _FEW:
        return LintResult(None, "nothing is known of silence on these questions; rlaudio label asks voters")
    paid = values[known] - values[known].min()
    if not paid.any():
        return LintResult(None, "every completion gets the same")
    share, there = float(paid[silent[known] == 1].sum() / paid.sum()), float((silent[known] == 1).mean())
    what = _what(evidence)
    said = f"{percent_mark(share)} of what is paid goes to {what}, {percent_mark(there)} of all completions"
    if share <= _MUCH:
        return LintResult(False, said)
    best = int(np.flatnonzero(known & (silent == 1))[np.argmax(values[known & (silent == 1)])])
    place = group_and_sample(evidence.groups, best)
    return LintResult(True, said, (evidence.example(*place, "answered so in silence"),))


# --- helpers -------------------------------------------------------------------------------------


def _what(evidence: Evidence) -> str:
    if any(not np.isnan(logprobs).all() for logprobs in evidence.logprobs_in_silence):
        return "completions that the policy gives in silence too"
    by_votes = any(entry.answers for entry in evidence.in_silence.values())
    return "answers that voters give in silence too" if by_votes else "questions that are labelled weak"


def _silent(evidence: Evidence, number: int) -> list[float]:
    """Of each completion of a group: 1 where silence gives its answer, 0 where not, NaN where unknown."""
    verdicts = evidence.verdicts[number]
    by_label = _by_label(evidence, number)
    if number >= len(evidence.logprobs_in_silence):
        return [by_label(verdict) for verdict in verdicts]
    logprobs = evidence.logprobs_in_silence[number]
    return [
        by_label(verdict) if np.isnan(logprob) else float(logprob >= _LIKELY)
        for verdict, logprob in zip(verdicts, logprobs, strict=True)
    ]


def _by_label(evidence: Evidence, number: int) -> Callable[[Verdict], float]:
    """The same of a group's completions by what is known of the question."""
    question = evidence.groups[number].prompt.question
    entry = evidence.in_silence.get(question.id)
    if entry is None:
        return lambda verdict: float("nan")
    if not entry.answers:
        weak = float(entry.weak)
        return lambda verdict: weak
    usual = _usual(evidence, question, entry.answers)
    return lambda verdict: float(usual is not None and verdict.read == usual)


def _usual(evidence: Evidence, question: Question, answers: tuple[str, ...]) -> int | None:
    """The option that most voters name; None where no two agree."""
    read = [evidence.scorer(question, text).read for text in answers]
    counts = Counter(option for option in read if option is not None)
    option, count = next(iter(counts.most_common(1)), (None, 0))
    return option if count > 1 or len(answers) == 1 else None
