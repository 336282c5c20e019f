"""Every question with its gold answer in every position, as the paper's MMAU-4k (arXiv:2509.21060).

A model that likes one position is right as often as another one only where all positions are asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rlaudio.types import Choice, Dataset, Question

_WHERE = {"above", "below", "previous", "preceding"}
_NAMING = {"both", "either", "neither", "only", "option", "options", "choice", "choices", "answer", "answers"}
_BETWEEN = {"all", "any", "none", "each", "one", "two", "three", "some", "most", "more", "than"} | {
    *("of", "the", "these", "and", "or", "nor", "but", "not", "are", "is", "correct", "right", "true"),
}
_MARK = re.compile(r"\(?([a-z])[.):]\s")  # "A. dog", "(B) cat"


def with_gold_everywhere(questions: Sequence[Question]) -> Dataset:
    """For each question one with its gold option at each position, ids `ID#1`, `ID#2`, ...

    The other options keep their order. Questions without a known gold option cannot be asked so and are left
    out, and so are those with an option that refers to others by their places, which would then be others. A
    contribution that the data states goes with every order of its question.
    """
    data = Dataset.of(questions)
    permuted, contributions = [], {}
    for question in data:
        for order in _orders(question):
            permuted.append(order)
            if question.id in data.contributions:
                contributions[order.id] = replace(data.contributions[question.id], question_id=order.id)
    return replace(data, questions=tuple(permuted), contributions=contributions)


def _orders(question: Question) -> Iterator[Question]:
    target = question.target
    if not isinstance(target, Choice) or target.gold is None or refers_to_places(target.options):
        return
    others = target.options[: target.gold] + target.options[target.gold + 1 :]
    for position in range(len(target.options)):
        options = (*others[:position], target.options[target.gold], *others[position:])
        yield replace(
            question,
            id=f"{question.id}#{position + 1}",
            target=replace(target, options=options, gold=position),
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
