"""Right where a judge, a model or a function of yours, finds the answer good: for questions without options.

The judge compares with the reference answer and gives 1 to 5; the points are 0 for 1 and 1 for 5. Thoughts
(`<think>`) are not shown to it. A judge that gives no score is never a wrong answer: the evaluation stops, or
with `unjudged: leave_out` the answer is left out, with the reason.
"""

from typing import Literal

from rlaudio.answers import answer_text
from rlaudio.scorers.judging import (
    GOOD,
    HIGHEST,
    LOWEST,
    Judge,
    JudgeFailed,
    asked,
    asks_judge,
    naming,
    overall,
)
from rlaudio.types import Question, Verdict


@asks_judge(shown=lambda question, text: answer_text(text))
def judge(
    question: Question,
    text: str,
    *,
    judge: Judge,  # endpoint:URL#MODEL, {use: endpoint, ...}, or a file of yours
    right_from: float = GOOD,  # overall score from which an answer is called right
    unjudged: Literal["stop", "leave_out"] = "stop",
) -> Verdict:
    """Right from a score of `right_from` on; `score` is (score - 1) / 4."""
    try:
        with naming(question):
            score = overall(judge(*asked(question, answer_text(text))), judge)
    except JudgeFailed as error:
        if unjudged == "stop":
            raise
        return Verdict(False, None, "none", str(error), counted=False)
    return Verdict(score >= right_from, None, "judge", score=(score - LOWEST) / (HIGHEST - LOWEST))
