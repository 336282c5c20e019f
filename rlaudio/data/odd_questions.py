"""What is odd about a question that can be used all the same: options that are hard to tell apart in an
answer, a rule whose arguments it does not read, no clip."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rlaudio.data.question_rules import MAX_CHOICES
from rlaudio.scorers.instructions import ARGUMENTS, OPTIONAL
from rlaudio.types import Check, Question

EQUAL, EMPTY = "equal options", "empty option"  # a published benchmark has some
SAME_WORDS, NESTED = "options of the same words", "nested options"
NO_CLIP = "no clip, so asked by its text alone"
WRONG_ARGUMENTS = "a check without an argument that its rule reads, or with one that it does not"
MEANINGS = {  # what each kind means, and what to do
    EQUAL: "an answer that names one names the other too; change one, unless the benchmark is published so",
    EMPTY: "no answer can name it; remove it, unless the benchmark is published so",
    SAME_WORDS: "only their order or number tells them apart; see whether both are meant",
    NESTED: "the words of one option stand within another, as dog in a hot dog stand; scorers that ship read "
    "the longer one where it is named, and a reward of your own that looks for the text finds both",
    NO_CLIP: "no audio can help there; name its clip, if it has one",
    WRONG_ARGUMENTS: "what is missing counts as 0 or an empty text; correct check.arguments",
}
_WORD = re.compile(r"\w+")


def oddities(question: Question) -> list[str]:
    """Everything that is odd about a question, each kind once."""
    odd = odd_options(question) if question.choices else []
    if not question.clips:
        odd.append(NO_CLIP)
    if isinstance(question.target, Check) and not _has_its_arguments(question.target):
        odd.append(WRONG_ARGUMENTS)
    return odd


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
    if len(words) <= MAX_CHOICES and _nested([f" {text} " for text in words if text]):
        odd.append(NESTED)
    return odd


def _has_its_arguments(check: Check) -> bool:
    """Whether the arguments are those that the rule reads; what is missing counts as 0 or an empty text."""
    expected, stated = set(ARGUMENTS.get(check.rule, check.arguments)), set(check.arguments)
    return expected - stated <= set(OPTIONAL) and stated - expected <= set(OPTIONAL)


def _nested(padded: Sequence[str]) -> bool:
    for outer in padded:  # loops: every question of a data set comes here
        for inner in padded:
            if inner in outer and inner != outer:
                return True
    return False
