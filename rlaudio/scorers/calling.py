"""Scorers as evaluation and votes call them: within a time limit, judges asked ahead; and a trial of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rlaudio.answers import sft_target
from rlaudio.scorers.judging import AsksMany, asked
from rlaudio.types import Question, Scorer, Verdict
from rlaudio.utils.messages import printable, shown
from rlaudio.utils.time_limit import in_time


@dataclass(frozen=True)
class TimedScorer:
    """A scorer that raises TimeoutError where no verdict comes within `seconds`; None: no limit."""

    name: str
    scorer: Scorer
    file: str
    seconds: float | None

    def __call__(self, question: Question, text: str) -> Verdict:
        call = _ScorerCall(self, question, text)
        verdict: Verdict = in_time(call, self.seconds, self.scorer, question, text)
        return verdict


@dataclass(frozen=True)
class _ScorerCall:
    scorer: TimedScorer
    question: Question
    text: str

    @property
    def file(self) -> str:
        return self.scorer.file

    def __str__(self) -> str:
        asked = f"for question {printable(self.question.id)} and the answer {shown(self.text)}"
        return f"scorer {self.scorer.name} ({self.file}), {asked},"


def verdicts_on(
    answers: Sequence[tuple[Question, str]], scorers: Mapping[str, Scorer]
) -> list[dict[str, Verdict]]:
    """What every scorer says of every answer, by scorer; judges are asked about all answers together."""
    for scorer in scorers.values():
        _ask_ahead(scorer, answers)
    return [{name: scorer(*answer) for name, scorer in scorers.items()} for answer in answers]


def _ask_ahead(scorer: Scorer, answers: Sequence[tuple[Question, str]]) -> None:
    ahead = getattr(getattr(scorer, "func", None), "judges_text", None)
    judge = getattr(scorer, "keywords", {}).get("judge")
    if ahead is not None and isinstance(judge, AsksMany):
        texts = [(question, ahead(question, text)) for question, text in answers]
        judge.ask_ahead([asked(question, text) for question, text in texts if text is not None])


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
