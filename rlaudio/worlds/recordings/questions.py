"""Questions about labelled recordings, and clues by which text alone answers them.

A question is made answer first: options are drawn, one of them becomes the answer, and only then are
recordings of it chosen. So the wording of an audio-only question carries no information about the answer. Its
text-answerable twin is the same question after a sentence that reveals the answer, by world knowledge
(counting, how many legs a dog has) or by logic over the text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from typing import Literal

import numpy as np

Giveaway = Literal["knowledge", "logic"]
Rng = np.random.Generator

_WORDS_TO_TEN = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_TEENS = (
    "eleven",
    "twelve",
    *(f"{stem}teen" for stem in ("thir", "four", "fif", "six", "seven", "eigh", "nine")),
)
NUMBER_WORDS = (*_WORDS_TO_TEN, *_TEENS, "twenty")
AMOUNTS = {  # well-known things of this number
    1: ("noses on a face", "wheels on a unicycle"),
    2: ("eyes on a face", "wheels on a bicycle", "wings on a bird"),
    3: ("sides of a triangle", "wheels on a tricycle"),
    4: ("legs on a dog", "wheels on a car", "seasons in a year"),
    5: ("fingers on a hand",),
    6: ("legs on an insect",),
    7: ("days in a week",),
    8: ("legs on a spider",),
    10: ("toes on two feet",),
    12: ("months in a year",),
}
_MOST_WORDS = 4  # in one composed clip
_CHOICES = 4


@dataclass(frozen=True)
class Recording:
    """One file of the folder and the word in it."""

    path: Path
    word: str
    speaker: str


@dataclass(frozen=True)
class Draft:
    """A question before its options are ordered, and the recordings of its clip."""

    spoken: tuple[Recording, ...]  # one after the other
    question: str
    answer: str
    others: tuple[str, ...]  # the wrong options
    mechanism: Giveaway | None = None  # how the text reveals the answer; None: it does not


@dataclass(frozen=True)
class Pool:
    """The recordings of one split, by word."""

    by_word: Mapping[str, Sequence[Recording]]

    @property
    def words(self) -> tuple[str, ...]:
        """Its different words."""
        return tuple(self.by_word)

    def draw_words(self, rng: Rng, count: int) -> tuple[str, ...]:
        """Different words, at most as many as there are."""
        return tuple(str(word) for word in rng.permutation(self.words)[:count])

    def say(self, rng: Rng, words: Sequence[str]) -> tuple[Recording, ...]:
        """A recording of each word; a repeated word is another take, if there is one."""
        takes: dict[str, list[Recording]] = {}
        spoken = []
        for word in words:
            if not takes.get(word):
                recordings = self.by_word[word]
                takes[word] = [recordings[index] for index in rng.permutation(len(recordings))]
            spoken.append(takes[word].pop())
        return tuple(spoken)


def number_of(word: str) -> int | None:
    """The number that a word names, or None."""
    if word in NUMBER_WORDS:
        return NUMBER_WORDS.index(word)
    return int(word) if word.isascii() and word.removeprefix("-").isdigit() else None


def number_word(value: int) -> str:
    """A number as questions write it: in words up to twenty."""
    return NUMBER_WORDS[value] if 0 <= value < len(NUMBER_WORDS) else str(value)


def identify(rng: Rng, pool: Pool, mechanism: Giveaway | None) -> Draft:
    """Which word is spoken."""
    answer, *others = pool.draw_words(rng, _CHOICES)
    clues = {
        "knowledge": [neighbour(rng, "The word", answer)],
        "logic": [exclusion(rng, others), f"The speaker was asked to say {answer}."],
    }
    asks = ("Which word is spoken?", "Which word do you hear?", "What does the speaker say?")
    draft = Draft(pool.say(rng, [answer]), str(rng.choice(asks)), answer, tuple(others))
    return _after_clue(rng, draft, clues, mechanism)


def order(rng: Rng, pool: Pool, mechanism: Giveaway | None) -> Draft:
    """Which word comes first or last, or in which of several orders."""
    if len(pool.words) >= 3 and rng.random() < 0.5:
        return _whole_order(rng, pool, mechanism)
    answer, *others = pool.draw_words(rng, _CHOICES)
    count = int(rng.integers(2, min(3, len(pool.words)) + 1))
    others_heard = list(others[: count - 1])
    first = rng.random() < 0.5
    words = [answer, *others_heard] if first else [*others_heard, answer]
    place = "first" if first else "last"
    clues = {
        "knowledge": [neighbour(rng, f"The {place} word", answer)],
        "logic": [exclusion(rng, others), f"The order is {', then '.join(words)}."],
    }
    asks = (f"Which word is spoken {place}?", f"Which word comes {place}?")
    draft = Draft(pool.say(rng, words), str(rng.choice(asks)), answer, tuple(others))
    return _after_clue(rng, draft, clues, mechanism)


def count(rng: Rng, pool: Pool, mechanism: Giveaway | None) -> Draft:
    """How many words are spoken, or how often one of them."""
    answer, *others = (number_word(value) for value in rng.permutation(_MOST_WORDS) + 1)
    amount = NUMBER_WORDS.index(answer)
    target, *rest = pool.draw_words(rng, _MOST_WORDS)
    if rng.random() < 0.5:
        words = [target, *rest, *rest][:amount] if rest else [target] * amount
        asks = ("How many words are spoken?", "How many words do you hear?")
    else:
        words = [target] * amount + [str(word) for word in rng.choice(rest, _MOST_WORDS - amount)]
        asks = (f"How many times is the word {target} spoken?", f"How often do you hear the word {target}?")
    words = [str(word) for word in rng.permutation(words)]
    clues = {
        "knowledge": [f"It is the number of {rng.choice(AMOUNTS[amount])}."],
        "logic": [exclusion(rng, others), f"The words are: {', '.join(words)}."],
    }
    draft = Draft(pool.say(rng, words), str(rng.choice(asks)), answer, tuple(others))
    return _after_clue(rng, draft, clues, mechanism)


def sum_of_two(rng: Rng, pool: Pool, mechanism: Giveaway | None) -> Draft:
    """The sum of two spoken numbers."""
    pairs: dict[int, tuple[str, str]] = {}
    for _ in range(100):
        first, second = (str(word) for word in rng.choice(pool.words, 2))
        pairs.setdefault(_value(first) + _value(second), (first, second))
        if len(pairs) == _CHOICES:
            break
    # More frequent sums tend to be drawn first, so the answer is drawn again among them.
    total, *other_totals = (int(total) for total in rng.permutation(list(pairs)))
    answer, others = number_word(total), [number_word(other) for other in other_totals]
    words = pairs[total]
    known = [f"The sum is the number of {thing}." for thing in AMOUNTS.get(total, ())]
    clues = {
        "knowledge": [neighbour(rng, "The sum", answer), *known],
        "logic": [exclusion(rng, others), f"The numbers are {words[0]} and {words[1]}."],
    }
    asks = ("What is the sum of the two numbers?", "What do the two numbers make together?")
    draft = Draft(pool.say(rng, words), str(rng.choice(asks)), answer, tuple(others))
    return _after_clue(rng, draft, clues, mechanism)


def compare(rng: Rng, pool: Pool, mechanism: Giveaway | None) -> Draft:
    """Which of two spoken numbers is larger or smaller, or whether they are equal."""
    smaller, greater = sorted(pool.draw_words(rng, 2), key=_value)
    answer, *others = (
        str(option) for option in rng.permutation(["the first", "the second", "they are equal"])
    )
    larger = rng.random() < 0.5
    if answer == "they are equal":
        words = [smaller, smaller]
        known = "Taking the second number from the first leaves zero."
    else:
        descending = larger == (answer == "the first")
        words = [greater, smaller] if descending else [smaller, greater]
        known = f"Counting up, you reach the {'second' if descending else 'first'} number before the other."
    clues = {
        "knowledge": [known],
        "logic": [f"The first number is {words[0]}, the second is {words[1]}."],
    }
    asks = (f"Which number is {'larger' if larger else 'smaller'}?",)
    draft = Draft(pool.say(rng, words), str(rng.choice(asks)), answer, tuple(others))
    return _after_clue(rng, draft, clues, mechanism)


KINDS: Mapping[str, Callable[[Rng, Pool, Giveaway | None], Draft]] = {
    "identify": identify,
    "order": order,
    "count": count,
    "sum": sum_of_two,
    "compare": compare,
}
NUMBER_KINDS = ("sum", "compare")  # where every label is a number
CATEGORIES = {  # AudioMCQ's question types
    "identify": "speech",
    "order": "temporal",
    "count": "temporal",
    "sum": "speech",
    "compare": "speech",
}


def exclusion(rng: Rng, others: Sequence[str]) -> str:
    """A sentence that rules out every wrong option."""
    *most, last = (str(other) for other in rng.permutation(others))
    return f"It is not {', not '.join(most)} and not {last}." if most else f"It is not {last}."


def neighbour(rng: Rng, subject: str, word: str) -> str:
    """A sentence that gives a number by its neighbour in counting, or "" for a word that is no number."""
    value = number_of(word)
    if value is None:
        return ""
    after = f"{subject} follows {number_word(value - 1)} when counting."
    before = f"{subject} comes before {number_word(value + 1)} when counting."
    return before if value <= 0 or rng.random() < 0.5 else after


def _whole_order(rng: Rng, pool: Pool, mechanism: Giveaway | None) -> Draft:
    words = pool.draw_words(rng, 3)
    known = ""
    if mechanism == "knowledge" and all(number_of(word) is not None for word in words):
        upwards = rng.random() < 0.5
        words = tuple(sorted(words, key=_value, reverse=not upwards))
        known = f"The words are spoken in counting order, {'upwards' if upwards else 'downwards'}."
    orders = [", ".join(order) for order in permutations(words)]  # the first is the one that is spoken
    others = [orders[index] for index in rng.permutation(np.arange(1, len(orders)))[: _CHOICES - 1]]
    clues = {
        "knowledge": [known],
        "logic": [
            exclusion(rng, others)
            if rng.random() < 0.2
            else f"The first is {words[0]}, the last {words[2]}.",
            f"After {words[0]} comes {words[1]}, and after that {words[2]}.",
        ],
    }
    asks = ("In which order are the words spoken?", "In which order do you hear the words?")
    draft = Draft(pool.say(rng, words), str(rng.choice(asks)), orders[0], tuple(others))
    return _after_clue(rng, draft, clues, mechanism)


def _after_clue(
    rng: Rng, draft: Draft, clues: Mapping[str, Sequence[str]], mechanism: Giveaway | None
) -> Draft:
    """The draft, its question after a clue of the mechanism; by logic where there is none by knowledge."""
    if mechanism is None:
        return draft
    if not any(clues[mechanism]):
        mechanism = "logic"
    clue = str(rng.choice([clue for clue in clues[mechanism] if clue]))
    return replace(draft, question=f"{clue} {draft.question}", mechanism=mechanism)


def _value(word: str) -> int:
    value = number_of(word)
    if value is None:
        raise ValueError(f"{word!r} is not a number; expected digits or a word from zero to twenty")
    return value
