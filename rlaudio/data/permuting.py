"""Every question with its gold answer in every position, as the paper's MMAU-4k (arXiv:2509.21060).

A model that likes one position is right as often as another one only where all positions are asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rlaudio.data.option_orders import refers_to_places
from rlaudio.types import Choice, Dataset, Question


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
