"""Right by MMAU-Pro's rule for the kind of question: nearest option, grade of a judge, or check of the form.

As `evaluate_mmau_pro_comprehensive.py` (arXiv:2508.13992). Closed questions: the option whose embedding is
nearest to that of the text must equal the answer, so any text names an option; a question with less than two
options is left out. Open ones: a judge's overall score / 5. Instructions: the rules of
rlaudio.scorers.instructions. The published figures are by NV-Embed-v2 and Qwen2.5-7B-Instruct; without an
embedder or a judge such answers are left out, with the reason.
"""

from __future__ import annotations

from rlaudio.scorers.cannot_score import CannotScoreError
from rlaudio.scorers.embedding import Embedder, nearest
from rlaudio.scorers.instructions import follows
from rlaudio.scorers.judging import GOOD, HIGHEST, Judge, asked, asks_judge, mmau_pro_overall, naming
from rlaudio.types import Check, OpenText, Question, Verdict

_OPEN = "open"  # the category of open questions


def _is_open(question: Question) -> bool:
    category = question.groups.get("category")
    return isinstance(question.target, OpenText) if category is None else category == _OPEN


def _shown_to_judge(question: Question, text: str) -> str | None:
    return text if _is_open(question) and not isinstance(question.target, Check) else None


@asks_judge(_shown_to_judge)
def mmau_pro_rule(
    question: Question,
    text: str,
    *,
    embedder: Embedder | None = None,  # a file of yours that opens NV-Embed-v2, or the folder of a model
    judge: Judge | None = None,  # endpoint:URL#MODEL, {use: endpoint, ...}, or a file of yours
) -> Verdict:
    """Right by the rule of the question's kind, arXiv:2508.13992; not counted where that cannot tell."""
    try:
        if isinstance(question.target, Check):
            return _checked(question.target, question, text)
        if _is_open(question):
            return _judged(question, text, judge)
        return _embedded(question, text, embedder)
    except CannotScoreError as error:
        return Verdict(False, None, "none", str(error), counted=False)


def _checked(check: Check, question: Question, text: str) -> Verdict:
    followed = follows(check.rule, check.arguments, question.question, text)
    return Verdict(followed, None, "instruction", score=float(followed))


def _judged(question: Question, text: str, judge: Judge | None) -> Verdict:
    if judge is None:
        raise CannotScoreError(
            "needs a judge: the option judge names Qwen2.5-7B-Instruct behind an endpoint, or a .py file"
        )
    with naming(question):
        overall = mmau_pro_overall(judge(*asked(question, text)), judge)
    return Verdict(overall >= GOOD, None, "judge", score=overall / HIGHEST)


def _embedded(question: Question, text: str, embedder: Embedder | None) -> Verdict:
    if len(question.choices) < 2:
        raise CannotScoreError("less than two options")
    if embedder is None:
        raise CannotScoreError("needs NV-Embed-v2: the option embedder names a .py file that opens it")
    read = nearest(text, question.choices, embedder)
    return Verdict(question.choices[read] == question.answer, read, "nearest")
