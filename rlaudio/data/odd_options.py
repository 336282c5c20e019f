"""Options of a question that are hard to tell apart in an answer; the question can be used all the same."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rlaudio.types import Question

EQUAL, EMPTY = "equal options", "empty option"  # a published benchmark has some
SAME_WORDS, NESTED = "options of the same words", "nested options"
_WORD = re.compile(r"\w+")


def odd_options(question: Question) -> list[str]:
    """What is odd about a question's options, each kind once: equal, empty, of the same words, nested.

    Case and punctuation do not count, but for equal options punctuation does. One option is nested in another
    whose words hold all of its words in their order: `dog` in `a dog barks`.
    """
    plain = [option.strip().lower() for option in question.choices]
    odd = [] if all(plain) else [EMPTY]
    if len(set(plain)) < len(plain):
        odd.append(EQUAL)
    words = list({" ".join(_WORD.findall(text)): None for text in plain})  # what differs only by signs, once
    if len(set(map(frozenset, map(str.split, words)))) < len(words):
        odd.append(SAME_WORDS)
    if _nested([f" {text} " for text in words if text]):
        odd.append(NESTED)
    return odd


def _nested(padded: Sequence[str]) -> bool:
    for outer in padded:  # loops: every question of a data set comes here
        for inner in padded:
            if inner in outer and inner != outer:
                return True
    return False
