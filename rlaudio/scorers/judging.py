"""How good is an answer, as a judge says? The judge is a plug-in: a model, or a function of the user's.

A judge is a function of question, reference answer and text. It gives the overall score from 1 to 5; or a
mapping of `correctness`, `relevance`, `completeness`, `clarity` and `overall`; or the text of a language
model that holds lines such as "CORRECTNESS: 4 - ..."; or None where it has no score to give.

MMAU-Pro's rule (`mmau_pro_overall`) puts 3 in the place of what it cannot read, as
`evaluate_mmau_pro_comprehensive.py` (arXiv:2508.13992) does. Elsewhere (`overall`) that is a failure.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Real
from typing import Any, Protocol, TypeVar, runtime_checkable

from rlaudio.scorers.cannot_score import CannotScoreError
from rlaudio.types import Question
from rlaudio.utils.messages import printable, shown

HIGHEST = 5.0
LOWEST = 1.0
GOOD = 4.0  # MMAU-Pro's script counts answers of at least this overall score as good
_CRITERIA = ("correctness", "relevance", "completeness", "clarity")
_MISSING = 3.0

Judge = Callable[[str, str, str], Any]  # of question, reference answer and text: see above
Asked = tuple[str, str, str]
_Function = TypeVar("_Function", bound=Callable[..., Any])


class JudgeFailed(ValueError):
    """A judge gave no score that can be used; `__cause__` says why where an endpoint failed."""


class UnreadableVerdict(JudgeFailed):
    """A judge answered, and no score stands in what it said."""


@runtime_checkable
class AsksMany(Protocol):
    """A judge that can be asked about many answers at a time, and keeps what it is told."""

    def ask_ahead(self, asked: Sequence[Asked]) -> None:
        """Ask about all of them, so that the calls that follow need not wait."""


@runtime_checkable
class AsksAsync(Protocol):
    """A judge that can be awaited, many at a time."""

    async def ask(self, question: str, answer: str, text: str) -> Any:
        """What a call gives."""


def asks_judge(shown: Callable[[Question, str], str | None]) -> Callable[[_Function], _Function]:
    """Marks a scorer that shows its option `judge` this much of an answer (None: it asks none).

    So evaluation can ask about many answers before it calls the scorer on each.
    """

    def mark(scorer: _Function) -> _Function:
        scorer.judges_text = shown  # type: ignore[attr-defined]
        return scorer

    return mark


def asked(question: Question, text: str) -> Asked:
    """What a judge is asked about an answer to a question."""
    return question.question, question.answer, text


@contextmanager
def naming(question: Question) -> Iterator[None]:
    """Within the block, a judge's failure names the question, and keeps why an endpoint failed."""
    try:
        yield
    except JudgeFailed as error:
        raise type(error)(f"question {printable(question.id)}: {error}") from error.__cause__ or error


async def awaited(judge: Judge, asked: Asked) -> Any:
    """What a call of the judge gives; judges that can be awaited are."""
    said = judge.ask(*asked) if isinstance(judge, AsksAsync) else judge(*asked)
    return await said if inspect.isawaitable(said) else said


def mmau_pro_overall(said: Any, judge: Judge) -> float:
    """The overall score by MMAU-Pro's rule, as a rule from 1 to 5.

    A criterion that is missing is 3; an overall score that is missing, or 3, is the mean of the other four.
    Raises CannotScoreError where the judge gave None, ValueError for anything that is no score.
    """
    if said is None:
        raise CannotScoreError("the judge gave no score")
    scores = _read(said) if isinstance(said, str) else _checked(said, judge)
    stated = float(scores.get("overall", _MISSING))
    if stated != _MISSING:
        return stated
    return sum(float(scores.get(name, _MISSING)) for name in _CRITERIA) / len(_CRITERIA)


def overall(said: Any, judge: Judge) -> float:
    """The overall score, 1 to 5: as stated, else the mean of all four criteria.

    Raises UnreadableVerdict where neither is there, also for None; ValueError for what is no score.
    """
    scores = _read(said) if isinstance(said, str) else {} if said is None else _checked(said, judge)
    stated = [scores[name] for name in ("overall",) if name in scores] or [
        scores[name] for name in _CRITERIA if name in scores
    ]
    complete = "overall" in scores or len(stated) == len(_CRITERIA)
    if not complete or not all(LOWEST <= float(value) <= HIGHEST for value in stated):
        raise UnreadableVerdict(
            f"{judge} said {shown(said)}; expected an overall score from 1 to 5, such as OVERALL: 4"
        )
    return sum(float(value) for value in stated) / len(stated)


def _checked(said: Any, judge: Judge) -> Mapping[str, Any]:
    """The scores of a judge that is no language model. Raises ValueError for anything else."""
    scores = said if isinstance(said, Mapping) else {"overall": said}
    for value in scores.values():
        if not isinstance(value, Real) or not LOWEST <= float(value) <= HIGHEST:
            if inspect.iscoroutine(said):
                said.close()  # else Python warns of it later, without saying where
            raise ValueError(
                f"{judge}: {shown(said)}; expected scores from 1 to 5: one, or those of "
                f"{', '.join(_CRITERIA)} and overall"
            )
    return scores


def _read(reply: str) -> dict[str, float]:
    """The scores in the text of a language model; as in the script, they may be any number."""
    grades = {name: re.search(rf"{name}:\s*(\d+)", reply, re.IGNORECASE) for name in _CRITERIA}
    grades["overall"] = re.search(r"overall:\s*(\d+(?:\.\d+)?)", reply, re.IGNORECASE)
    return {name: float(match[1]) for name, match in grades.items() if match}
