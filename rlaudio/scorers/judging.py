"""How good is an answer to an open question, from 0 to 1? By a judge of the user's: MMAU-Pro's rule.

A judge is a function of question, reference answer and text. It gives the overall score from 1 to 5; or a
mapping of `correctness`, `relevance`, `completeness`, `clarity` and `overall`; or the text of a language
model that holds lines such as "CORRECTNESS: 4 - ..."; or None where it has no score to give.

As in `evaluate_mmau_pro_comprehensive.py` (arXiv:2508.13992): a criterion that is missing is 3, the overall
score is the mean of the other four where it is missing or 3, and the grade is overall / 5, so that the worst
is 0.2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from numbers import Real
from pathlib import Path

from rlaudio.scorers.cannot_score import CannotScoreError
from rlaudio.scorers.user_function import user_function
from rlaudio.utils.messages import shown

_CRITERIA = ("correctness", "relevance", "completeness", "clarity")
_MISSING = 3.0
_HIGHEST = 5.0
GOOD = 4.0 / _HIGHEST  # the script counts answers of at least this grade as good


def grade(question: str, answer: str, text: str, judge: Path) -> float:
    """The judge's overall score / 5.

    Raises CannotScoreError where the judge gives None, ValueError for anything that is no score.
    """
    said = user_function(judge, "judge")(question, answer, text)
    if said is None:
        raise CannotScoreError("the judge gave no score")
    if isinstance(said, str):
        return _overall(_read(said)) / _HIGHEST
    scores = said if isinstance(said, Mapping) else {"overall": said}
    for value in scores.values():
        if not isinstance(value, Real) or not 1 <= float(value) <= _HIGHEST:
            raise ValueError(
                f"judge {judge}: {shown(said)}; expected scores from 1 to 5: one, or those of "
                f"{', '.join(_CRITERIA)} and overall"
            )
    return _overall(scores) / _HIGHEST


def _read(reply: str) -> dict[str, float]:
    """The scores in the text of a language model; as in the script, they may be any number."""
    grades = {name: re.search(rf"{name}:\s*(\d+)", reply, re.IGNORECASE) for name in _CRITERIA}
    grades["overall"] = re.search(r"overall:\s*(\d+(?:\.\d+)?)", reply, re.IGNORECASE)
    return {name: float(match[1]) for name, match in grades.items() if match}


def _overall(scores: Mapping[str, float]) -> float:
    overall = float(scores.get("overall", _MISSING))
    if overall != _MISSING:
        return overall
    return sum(float(scores.get(name, _MISSING)) for name in _CRITERIA) / len(_CRITERIA)
