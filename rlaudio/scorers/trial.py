"""A trial of scorers on made-up answers, before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rlaudio.answers import sft_target
from rlaudio.types import Question, Scorer, Verdict
from rlaudio.utils.messages import shown


def try_scorers(scorers: Mapping[str, Scorer], questions: Sequence[Question]) -> None:
    """Try every scorer on a right, a strange and an empty answer to the first question.

    Raises ValueError for one that gives no verdict, or reads an option that is not there.
    """
    for question in questions[:1]:
        for text in (sft_target(question), "I hear nothing.", ""):
            for name, scorer in scorers.items():
                _check(
                    scorer(question, text), question, f"scorer {name}, tried on the made-up answer {text!r},"
                )


def _check(verdict: object, question: Question, who: str) -> None:
    if not isinstance(verdict, Verdict):
        raise ValueError(f"{who} returned {shown(verdict)}; expected a Verdict of rlaudio.types")
    options = len(question.choices)
    if verdict.read is not None and not 0 <= verdict.read < options:
        raise ValueError(f"{who} read option {verdict.read}; expected one of 0 to {options - 1}, or None")
