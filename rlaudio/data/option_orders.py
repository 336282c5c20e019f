"""The orders in which a question's options may stand.

A model that prefers a place is found where options change places. An option that refers to others by their
places ("all of the above", "A and B") would then mean something else: its question keeps its one order.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence

from rlaudio.types import Question
from rlaudio.utils.number_format import of_all

logger = logging.getLogger(__name__)

_WHERE = {"above", "below", "previous", "preceding"}
_NAMING = {"both", "either", "neither", "only", "option", "options", "choice", "choices", "answer", "answers"}
_BETWEEN = {"all", "any", "none", "each", "one", "two", "three", "some", "most", "more", "than"} | {
    *("of", "the", "these", "and", "or", "nor", "but", "not", "are", "is", "correct", "right", "true"),
}
_MARK = re.compile(r"\(?([a-z])[.):]\s")  # "A. dog", "(B) cat"


def orders_of(question: Question, orders: int) -> Iterator[Question]:
    """The question under its first `orders` cyclic option orders, no more than it has options.

    Its own order alone where options refer to others by their places, or where it has none.
    """
    yield question
    several = min(orders, len(question.choices))
    if several > 1 and not refers_to_places(question.choices):
        yield from map(question.rotated, range(1, several))


def tell_of_one_order(questions: Sequence[Question], what: str) -> None:
    """Say how many questions keep their one order; `what` is done in several orders."""
    kept = [question.id for question in questions if refers_to_places(question.choices)]
    if kept:
        logger.warning(
            "%s: %s questions keep their one order of options, since one refers to others by their places, "
            'such as "all of the above"; first: %s',
            what,
            of_all(len(kept), len(questions)),
            kept[0],
        )


def refers_to_places(options: Sequence[str]) -> bool:
    """Whether options say where others stand, or they do: "all of the above", "both A and B", "A. dog".

    Letters alone ("A and C") that all options consist of are what is asked, such as notes.
    """
    letters = [chr(ord("a") + place) for place in range(len(options))]
    marks = [match and match.group(1) for match in map(_MARK.match, map(str.lower, options))]
    named = [_names_places(option, letters) for option in options]
    return (bool(marks) and marks == letters) or any(map(_points, options)) or (any(named) and not all(named))


def _points(option: str) -> bool:
    """Whether the option is no more than "none of the above" and the like."""
    words = set(_words(option))
    return bool(words & _WHERE) and words <= _WHERE | _NAMING | _BETWEEN and len(words) > 1


def _names_places(option: str, letters: Sequence[str]) -> bool:
    """Whether the option is no more than letters or numbers of others: "A and B", "both 1 and 2"."""
    words = _words(option)
    numbers = [str(number) for number in range(1, len(letters) + 1)]
    places = [word for word in words if word in letters or word in numbers]
    naming = [word for word in words if word in _NAMING]
    if not {*words} <= {*places} | _NAMING | _BETWEEN:
        return False
    return len({*places} & {*letters}) > 1 or bool(places and naming)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
