"""A reward on the adversarial corpus: what it raises, what it pays, how long it takes; and its lints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from rlaudio.lab.adversarial import Case, cases, questions, right_and_wrong
from rlaudio.lab.evidence import Evidence, Finding
from rlaudio.lab.lints import lint
from rlaudio.lab.rescoring import Candidate
from rlaudio.lab.trial_text import lint_lines
from rlaudio.scoring import RewardStop, made_up_group
from rlaudio.types import Group, Question, Scorer, Verdict
from rlaudio.utils.messages import shortened
from rlaudio.utils.number_format import NO_VALUE, short_number
from rlaudio.utils.text_table import text_table

SLOW_SECONDS = 1.0  # of one call, the first one aside, which may load a model
PAID = "wrong, paid as right"  # where a right answer is paid more than a wrong one
_KEPT = 200  # characters of a message in the table


@dataclass(frozen=True)
class CaseResult:
    """What a reward made of one case, over all questions of the corpus."""

    case: str
    paid: tuple[float, ...]  # of each question; NaN where it gave no value
    seconds: float  # the slowest call
    reason: str = ""  # why it gave no value, the first time
    like_right: int = 0  # questions for which it is wrong and paid as the right answer

    @property
    def verdict(self) -> str:
        """What to make of it, in a word."""
        if self.reason:
            return "fails"
        return "slow" if self.seconds > SLOW_SECONDS else PAID if self.like_right else "ok"


@dataclass(frozen=True)
class Examination:
    """The results of all cases, those of the ordinary answers first, and the lints."""

    results: tuple[CaseResult, ...]
    findings: tuple[Finding, ...]
    ended: str  # why lints or cases ended early

    @property
    def passed(self) -> bool:
        """Whether every case gave a number, and soon."""
        return not self.ended and all(result.verdict in ("ok", PAID) for result in self.results)

    def to_json(self) -> dict[str, Any]:
        """All of it as one JSON object."""
        cases = [{**asdict(result), "verdict": result.verdict} for result in self.results]
        lints = [asdict(finding) for finding in self.findings]
        return {"passed": self.passed, "cases": cases, "lints": lints, "ended": self.ended}


def examine(candidate: Candidate, scorer: Scorer) -> Examination:
    """Score every case of the corpus. What the reward raises is a result; what ends a run ends it here."""
    asked = questions()
    results: list[CaseResult] = []
    try:
        _tried(candidate, asked[:1], [right_and_wrong(asked[0])[0]])
        ordinary = [_tried(candidate, asked, [right_and_wrong(q)[i] for q in asked]) for i in (0, 1)]
        results += ordinary
        right, wrong = (np.array(result.paid) for result in ordinary)
        for of_case in zip(*map(cases, asked), strict=True):
            result = _tried(candidate, asked, of_case)
            is_wrong = [not scorer(q, case.text).right for q, case in zip(asked, of_case, strict=True)]
            like_right = (right > wrong) & (np.array(result.paid) >= right) & is_wrong
            results.append(replace(result, like_right=int(like_right.sum())))
        findings, ended = lint(_evidence(candidate, scorer, asked))
    except RewardStop as stop:
        return Examination(tuple(results), (), str(stop))
    return Examination(tuple(results), findings, ended)


def examination_text(examination: Examination) -> str:
    """The examination as text for a terminal."""
    return "\n".join(_lines(examination))


# --- helpers -------------------------------------------------------------------------------------


def _tried(candidate: Candidate, asked: Sequence[Question], of_case: Sequence[Case]) -> CaseResult:
    paid, seconds, reason = [], 0.0, ""
    for question, case in zip(asked, of_case, strict=True):
        beside = right_and_wrong(question)  # a reward of a group needs one
        group = made_up_group(question, [case.text, *(other.text for other in beside)])
        alone = made_up_group(question, [case.text])
        rescored = candidate.values([[group if candidate.per_group else alone]])
        paid.append(float(rescored.by_group[0][0]))
        seconds = max(seconds, rescored.seconds)
        reason = reason or next((f.reason for f in rescored.failures if f.sample == 0), "")
    return CaseResult(of_case[0].name, tuple(paid), seconds, reason)


def _evidence(candidate: Candidate, scorer: Scorer, asked: Sequence[Question]) -> Evidence:
    """Groups of the ordinary answers and of some that say nothing."""
    groups = [_group(question) for question in asked]
    verdicts: list[list[Verdict]] = [
        [scorer(group.prompt.question, completion.text) for completion in group.completions]
        for group in groups
    ]

    def score(groups: Sequence[Group]) -> list[np.ndarray]:
        return candidate.values([groups]).by_group

    return Evidence(groups, score(groups), verdicts, {}, scorer, score)


def _group(question: Question) -> Group:
    texts = [case.text for case in right_and_wrong(question)]
    texts += [f"<think>It sounds like it.</think>{text}" for text in texts]
    return made_up_group(question, [*texts, "I hear nothing."])


def _lines(examination: Examination) -> Iterator[str]:
    rows = [
        [result.case, _paid(result.paid), f"{1000 * result.seconds:.1f}", result.verdict]
        for result in examination.results
    ]
    yield text_table(("completion", "paid", "slowest ms", "verdict"), rows)
    for result in examination.results:
        if result.reason:
            yield f"{result.case}: {shortened(result.reason, _KEPT)}"
    yield from lint_lines([asdict(finding) for finding in examination.findings])
    if examination.ended:
        yield f"ended early: {examination.ended}"


def _paid(values: Sequence[float]) -> str:
    known = [value for value in values if not np.isnan(value)]
    if not known:
        return NO_VALUE
    low, high = min(known), max(known)
    return short_number(low) if low == high else f"{short_number(low)} to {short_number(high)}"
