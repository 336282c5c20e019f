"""Right by MMAU-Pro's rule for the kind of question: nearest option, grade of a judge, or check of the form.

As `evaluate_mmau_pro_comprehensive.py` (arXiv:2508.13992). Closed questions: the option whose embedding is
nearest to that of the text must equal the answer, so any text names an option; a question with less than two
options is left out. Open ones: a judge's overall score / 5. Instructions: the rules of
rlaudio.scorers.instructions. The published figures are by NV-Embed-v2 and Qwen2.5-7B-Instruct; without an
embedder or a judge such answers are left out, with the reason.
"""

from __future__ import annotations

from pathlib import Path

from rlaudio.scorers.cannot_score import CannotScoreError
from rlaudio.scorers.embedding import nearest
from rlaudio.scorers.instructions import follows
from rlaudio.scorers.judging import GOOD, grade
from rlaudio.types import Check, OpenText, Question, Verdict

_OPEN = "open"  # the category of open questions


def mmau_pro(
    question: Question,
    text: str,
    *,
    embedder: Path | None = None,  # a .py file with a function of texts, or the folder of a model
    judge: Path | None = None,  # a .py file with a function of question, answer and text
) -> Verdict:
    try:
        if isinstance(question.target, Check):
            return _checked(question.target, question, text)
        if _is_open(question):
            return _judged(question, text, judge)
        return _embedded(question, text, embedder)
    except CannotScoreError as error:
        return Verdict(False, None, "none", str(error), counted=False)


def _is_open(question: Question) -> bool:
    category = question.groups.get("category")
    return isinstance(question.target, OpenText) if category is None else category == _OPEN


def _checked(check: Check, question: Question, text: str) -> Verdict:
    followed = follows(check.rule, check.arguments, question.question, text)
    return Verdict(followed, None, "instruction", score=float(followed))


def _judged(question: Question, text: str, judge: Path | None) -> Verdict:
    if judge is None:
        raise CannotScoreError(
            "needs a judge: the option judge names a .py file that asks Qwen2.5-7B-Instruct"
        )
    score = grade(question.question, question.answer, text, judge)
    return Verdict(score >= GOOD, None, "judge", score=score)


def _embedded(question: Question, text: str, embedder: Path | None) -> Verdict:
    if len(question.choices) < 2:
        raise CannotScoreError("less than two options")
    if embedder is None:
        raise CannotScoreError("needs NV-Embed-v2: the option embedder names a .py file that opens it")
    read = nearest(text, question.choices, embedder)
    return Verdict(question.choices[read] == question.answer, read, "nearest")
