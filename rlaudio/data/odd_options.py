"""Options of a question that are hard to tell apart in an answer; the question can be used all the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import permutations

from rlaudio.types import Question

EQUAL, EMPTY = "equal options", "empty option"  # a published benchmark has some
SAME_WORDS, NESTED = "options of the same words", "nested options"
_WORD = re.compile(r"\w+")


def odd_options(question: Question) -> Iterator[str]:
    """What is odd about a question's options, each kind once: equal, empty, of the same words, nested.

    Case and punctuation do not count. One option is nested in another whose words hold all of its words in
    their order: `dog` in `a dog barks`.
    """
    if not question.choices:
        return
    words = [" ".join(_WORD.findall(option.lower())) for option in question.choices]
    if not all(option.strip() for option in question.choices):
        yield EMPTY
    different = list(dict.fromkeys(filter(None, words)))
    if len({option.strip().lower() for option in question.choices}) < len(question.choices):
        yield EQUAL
    if len({frozenset(text.split()) for text in different}) < len(different):
        yield SAME_WORDS
    if any(f" {inner} " in f" {outer} " for inner, outer in permutations(different, 2)):
        yield NESTED
