"""Cues: a form of an option that speaks for it, whatever is heard. It is by far the longest, or the first.

The cues are those that writers of questions leave without meaning to: they qualify the right option until
nobody can object, and put it where they put it last time. Alone a cue says nothing about the answer; in the
questions of a data set with `gold_cues` it is right in three of four.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from rlaudio.worlds.synthetic.subjects import Item

Cue = Literal["length", "position"]
CUES: tuple[Cue, ...] = ("length", "position")
GOLD_SHARE = 0.75  # of the questions with a cue of the gold option, those where it speaks for the answer
# Fits every option and is longer than any, so that the longest is half longer again than all others.
QUALIFICATION = ", as heard in this clip"


def misled(rng: np.random.Generator, item: Item, cue: Cue) -> Item:
    """The item with the cue on a wrong option, which is then the tempting one."""
    wrong = _wrong(rng, item)
    item, tempting = _with_cue(item, cue, wrong)
    return replace(item, tempting=tempting, tempting_short=wrong if wrong != tempting else None)


def helped(rng: np.random.Generator, item: Item, cue: Cue) -> Item:
    """The item with the cue on the answer, in three of four draws, or on a wrong option."""
    is_right = rng.random() < GOLD_SHARE
    return _with_cue(item, cue, item.answer if is_right else _wrong(rng, item))[0]


def _wrong(rng: np.random.Generator, item: Item) -> str:
    return str(rng.choice([choice for choice in item.choices if choice != item.answer]))


def _with_cue(item: Item, cue: Cue, option: str) -> tuple[Item, str]:
    """The item with the cue on one of its options, and that option's text."""
    match cue:
        case "length":
            longer = option + QUALIFICATION
            choices = tuple(longer if choice == option else choice for choice in item.choices)
            return replace(
                item, choices=choices, answer=longer if option == item.answer else item.answer
            ), longer
        case "position":
            swapped = {option: item.choices[0], item.choices[0]: option}
            return replace(item, choices=tuple(swapped.get(c, c) for c in item.choices)), option
