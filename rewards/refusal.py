"""1 for declining to answer an unanswerable question, minus `penalty` for declining any other, 0 else.

A question is unanswerable where its data says so in the field `field` (of `Question.extra`): true, as for
items whose clip lacks what is asked about (AQUA-Bench, arXiv:2601.12248, names three kinds). An answer
declines by one of the phrases below, in its answer block or, without one, anywhere outside the thought; where
a question has such a phrase among its options, an answer in its words declines, one by its letter alone does
not. The rule is ours, not the benchmark's.
"""

import re

from rlaudio.answers import answer_spans
from rlaudio.answers.tags import blank_thoughts
from rlaudio.types import Completion, Question

DECLINES = re.compile(
    r"\b(?:(?:can ?not|can'?t|could not|couldn'?t|impossible to|unable to|not possible to) (?:be )?"
    r"(?:answer|determin|tell|know|say|hear)\w*|unanswerable|not enough (?:information|audio)"
    r"|insufficient (?:information|audio)|none of the (?:above|options|choices)"
    r"|not (?:present|audible) in the)\b",
    re.IGNORECASE,
)


def refusal(
    question: Question, completion: Completion, *, penalty: float = 1.0, field: str = "unanswerable"
) -> float:
    """1.0 for declining what cannot be answered, -`penalty` for declining what can, 0.0 for an answer."""
    declined = declines(completion.text)
    if question.extra.get(field) is True:
        return float(declined)
    return -penalty if declined else 0.0


def declines(text: str) -> bool:
    """Whether the text gives no answer and says so."""
    answers = [text[span.start : span.end] for span in answer_spans(text)] or [blank_thoughts(text)]
    return any(DECLINES.search(answer.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")) for answer in answers)
