"""The lint that asks how much of a reward's pay goes to what silence would have answered too."""

from __future__ import annotations

from collections import Counter

import numpy as np

from rlaudio.lab.evidence import Evidence, Told
from rlaudio.types import Question
from rlaudio.utils.number_format import percent_mark

_MUCH = 0.5  # share of the pay that may go there
_FEW = 20  # completions below which a share says nothing


def pays_silence(evidence: Evidence) -> Told:
    """How much of what is paid, above the least, goes to answers that voters gave in silence?

    Where the run has no answers of voters, to questions that are labelled weak.
    """
    values = np.concatenate(list(evidence.values))
    silent = np.array([s for number in range(len(evidence.groups)) for s in _silent(evidence, number)])
    known = ~np.isnan(values) & ~np.isnan(silent)
    if known.sum() < _FEW:
        return Told(None, "the run has no labels of these questions; label them: rlaudio label")
    paid = values[known] - values[known].min()
    if not paid.any():
        return Told(None, "every completion gets the same")
    share, there = float(paid[silent[known] == 1].sum() / paid.sum()), float((silent[known] == 1).mean())
    by_votes = any(entry.answers for entry in evidence.in_silence.values())
    what = "answers that voters give in silence too" if by_votes else "questions that are labelled weak"
    said = f"{percent_mark(share)} of what is paid goes to {what}, which {percent_mark(there)} of completions are"
    if share < _MUCH:
        return Told(False, said)
    best = int(np.flatnonzero(known & (silent == 1))[np.argmax(values[known & (silent == 1)])])
    group, sample = _place(evidence, best)
    return Told(True, said, (evidence.example(group, sample, "answered so in silence"),))


def _silent(evidence: Evidence, number: int) -> list[float]:
    """Of each completion of a group: 1 where silence gives its answer, 0 where not, NaN where unknown."""
    question, verdicts = evidence.groups[number].prompt.question, evidence.verdicts[number]
    entry = evidence.in_silence.get(question.id)
    if entry is None:
        return [float("nan")] * len(verdicts)
    if not entry.answers:
        return [float(entry.weak)] * len(verdicts)
    usual = _usual(evidence, question, entry.answers)
    return [float(usual is not None and verdict.read == usual) for verdict in verdicts]


def _usual(evidence: Evidence, question: Question, answers: tuple[str, ...]) -> int | None:
    """The option that most voters name; None where no two agree."""
    read = [evidence.scorer(question, text).read for text in answers]
    counts = Counter(option for option in read if option is not None)
    option, count = next(iter(counts.most_common(1)), (None, 0))
    return option if count > 1 or len(answers) == 1 else None


def _place(evidence: Evidence, number: int) -> tuple[int, int]:
    """Group and sample of a completion by its place among all."""
    for group, values in enumerate(evidence.values):
        if number < len(values):
            return group, number
        number -= len(values)
    raise IndexError("no such completion")
