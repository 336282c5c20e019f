"""The choices of a question: which of them is spelled like this text, which has this letter?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from functools import lru_cache

from rlaudio.answers.labels import NUMBER_IN_WORDS
from rlaudio.answers.layout import without_latex, without_markdown
from rlaudio.answers.normalising import loosened, normalise, normalise_but_case
from rlaudio.answers.numbers import NUMBER, UNITS, canonical_numbers, seconds
from rlaudio.answers.parsed import NONE, SEVERAL, Parsed, Status

OWN_LABEL = re.compile(r"\(?([A-Z])[).:] ?(?=\S)")  # of choices that carry their labels: "A. 1", "B. 2"
LAST_LETTER = re.compile(r"(?<!\w)[A-Za-z]$")
CYRILLIC_OR_GREEK = re.compile("[\u0370-\u03ff\u0400-\u04ff]")
LIST_OF_NUMBERS = re.compile(r"\d(?:, | & | or |; ?)\d")
COMMA = re.compile(r"\w,\w")
MAJOR = re.compile(r"[A-G][#b\u266f\u266d]?M7?")  # of chords, unlike "Cm"
NUMBER_OR_RANGE = re.compile(rf"{NUMBER.pattern}(?:-{NUMBER.pattern})?")
COUNTED = re.compile(
    r"(?P<number>\d+)"
    r" (?:(?!(?:or|and|to|more|less|fewer|extra|additional|out|of|other|point|half|plus|minus) )[a-z]+ )?"
    r"(?P<things>(?!(?:times|pass|halves|thirds|quarters|tenths)$)[a-z]{2,}s|people|men|women|children|person"
    r"|speaker)"
)
OTHER_WORDS = {  # by option: what an answer may say instead, unless that is an option too
    "neither": ("none of the above", "none"),
    "none of the above": ("none", "neither"),
    "both": ("all of the above", "all"),
    "all of the above": ("all", "both"),
}
OF_TWO = {"both", "neither"}
OF_TRUTH = re.compile(  # of options by which a question asks what is true, different or made up
    r"^(?:yes|no)(?:$|,)|\b(?:true|false|same|alike|similar|identical|differ\w*|other\w*|another|else\w*|fiction\w*"
    r"|story|stories|storytelling|tales?|myths?|hoax|invented|made up)\b"
)
LONGER = 40  # characters that a spelling may have more than another: "three thousand", "3000"


@lru_cache(maxsize=4096)
def choices_of(choices: tuple[str, ...]) -> Choices:
    """The choices, kept for the next answer to the same question."""
    return Choices(choices)


class Choices:
    """The choices of a question, by spelling and by letter."""

    def __init__(self, choices: Sequence[str]) -> None:
        self.kinds = [normalise_but_case(choice) for choice in choices]
        self.labels = _own_labels(choices)
        self.bodies = [OWN_LABEL.sub("", c.strip(), count=1) if self.labels else c.strip() for c in choices]
        self.plain = [loosened(normalise(_without_markup(body))) for body in self.bodies]
        self.longest = max(map(len, choices), default=0)
        self.are_letters = any(len(body) == 1 and body.isascii() and body.isalpha() for body in self.bodies)
        self.have_numbers = any(map(_has_number, self.plain))
        self.are_latin = not any(CYRILLIC_OR_GREEK.search(choice) for choice in choices)
        canonical = [canonical_numbers(text) for text in self.plain]
        self._have_lists = any(map(LIST_OF_NUMBERS.search, canonical))
        self._bare = _by_number(canonical)
        self._counts = _by_count(canonical)
        self._exact = self._by_spelling(map(_exactly, choices))
        texts = (*choices, *self.bodies)
        similar = {text: tuple(_similarly(text, _without_markup(text))) for text in set(texts)}
        self._similar = self._by_spelling(similar[text] for text in texts)
        self._in_other_words = _by_other_words(self.plain)
        self._seconds = _by_seconds(canonical)
        self.ask_of_truth = any(map(OF_TRUTH.search, self.plain))

    def equal(self, text: str) -> Parsed:
        """The choice that equals the text but for case and outer spaces."""
        known = self._exact[:1] if MAJOR.fullmatch(text.strip()) else self._exact
        return _first("exact", zip(_exactly(text), known, strict=False))

    def spelled(self, text: str, *, numbers: bool) -> Parsed:
        """The choice that equals a text without markup, in the strictest spelling in which one does."""
        if len(text) > 2 * self.longest + LONGER:
            return NONE
        is_list = self._have_lists and COMMA.search(text)  # "1,2" may be 1.2, or 1 and 2
        known = self._similar if numbers and not is_list else self._similar[:-1]
        known = known[:1] if MAJOR.fullmatch(text) else known
        named = _first("normalised", zip(_similarly(text), known, strict=False))
        if named != NONE or not (self._in_other_words or self._seconds):
            return named
        plain = loosened(normalise(text))
        index = self._in_other_words.get(plain)
        if index is None and numbers and self._seconds:
            index = self._seconds.get(seconds(canonical_numbers(plain)))
        return NONE if index is None else Parsed("normalised", index)

    def by_number(self, text: str) -> Parsed:
        """The choice of this number and a unit, where the number alone tells the choices apart; of numbers
        without one the choice of this number of things: "3 speakers"."""
        if not self._bare and not self._counts:
            return NONE
        number = canonical_numbers(loosened(normalise(text)))
        index = self._bare.get(number)
        counted = COUNTED.fullmatch(number) if self._counts and ". " not in text else None
        if counted and counted["things"] not in UNITS:
            index = self._counts.get(counted["number"])
        return NONE if index is None else Parsed("normalised", index)

    def lettered(self, mark: str) -> int | None:
        """The position that a letter, or a number from 1, stands for, if there is such a choice."""
        if self.labels:
            return self.labels.get(mark.upper())
        position = int(mark) - 1 if mark.isdecimal() else ord(mark.upper()) - ord("A")
        return position if 0 <= position < len(self.kinds) else None

    def same(self, first: int, second: int) -> bool:
        """Whether two choices have the same text, but for spaces, typographic signs and a final stop."""
        return self.kinds[first] == self.kinds[second]

    def goes_on(self, index: int, end: str) -> bool:
        """Whether a cut-off text that names this choice may have become another one: if that begins like
        this one, or with the letter that ends the text."""
        letter = LAST_LETTER.search(end)
        return any(
            plain.startswith(self.plain[index]) or (letter and body.lower().startswith(letter[0].lower()))
            for i, (plain, body) in enumerate(zip(self.plain, self.bodies, strict=True))
            if not self.same(i, index)
        )

    def _by_spelling(self, texts: Iterable[Iterable[str]]) -> list[dict[str, int | None]]:
        """For each way of spelling, the positions by spelling."""
        return [self._positions(spellings) for spellings in zip(*texts, strict=True)]

    def _positions(self, spellings: Iterable[str]) -> dict[str, int | None]:
        """Positions by spelling, of the choices and then of their bodies; None where choices that differ
        share a spelling."""
        positions: dict[str, int | None] = {}
        for place, spelling in enumerate(spellings):
            index = place % len(self.kinds)
            known = positions.setdefault(spelling, index) if spelling else index
            if known is not None and not self.same(known, index):
                positions[spelling] = None
        return positions


def _by_number(texts: Sequence[str]) -> dict[str, int]:
    """Positions by number of choices that are each a number and a unit, such as "5 s", the unit the same in
    all or a measure; none where two have the same number."""
    parts = [text.split(" ", 1) for text in texts]
    if not all(len(part) == 2 and NUMBER_OR_RANGE.fullmatch(part[0]) for part in parts):
        return {}
    units = {unit.removesuffix("s") or unit for _, unit in parts}
    numbers = {number: index for index, (number, _) in enumerate(parts)}
    alike = len(units) == 1 or all(unit in UNITS for _, unit in parts)
    return numbers if alike and len(numbers) == len(texts) else {}


def _by_other_words(texts: Sequence[str]) -> dict[str, int]:
    """Positions by other words for none or all of the options; both and neither are of two others."""
    known = {"none", "all", *OTHER_WORDS}
    of_two = sum(text not in known for text in texts) == 2
    return {
        said: texts.index(option)
        for option, others in OTHER_WORDS.items()
        for said in others
        if texts.count(option) == 1 and said not in texts and (of_two or {said, option}.isdisjoint(OF_TWO))
    }


def _by_seconds(texts: Sequence[str]) -> dict[Decimal | None, int]:
    """Positions by length of choices that are all (milli)seconds; none where two are equally long."""
    lengths = {seconds(text): index for index, text in enumerate(texts)}
    return lengths if len(lengths) == len(texts) and None not in lengths else {}


def _by_count(texts: Sequence[str]) -> dict[str, int]:
    """Positions by number of choices that are numbers and nothing else; none where two are the same."""
    numbers = {text: index for index, text in enumerate(texts) if text.isdecimal()}
    return numbers if len(numbers) == len(texts) else {}


def _exactly(text: str) -> Iterator[str]:
    text = text.strip()
    yield text
    yield text.lower()


def _similarly(text: str, plain: str | None = None) -> Iterator[str]:
    """A text's spellings, from strict to generous; `plain` is the text without markup, where it has some."""
    yield normalise_but_case(text)
    yield normalise(text)
    yield loosened(normalise(text if plain is None else plain))
    yield canonical_numbers(loosened(normalise(text if plain is None else plain)))


def _first(status: Status, spellings: Iterable[tuple[str, dict[str, int | None]]]) -> Parsed:
    """What the first spelling names that names something."""
    for spelling, positions in spellings:
        if spelling in positions:
            index = positions[spelling]
            return SEVERAL if index is None else Parsed(status, index)
    return NONE


def _has_number(text: str) -> bool:
    return any(map(str.isdigit, canonical_numbers(text))) or NUMBER_IN_WORDS.search(text) is not None


def _own_labels(choices: Sequence[str]) -> dict[str, int]:
    """Positions by the letters with which all choices begin, A to the number of choices in any order."""
    matches = [OWN_LABEL.match(choice.strip()) for choice in choices]
    labels = {match[1]: index for index, match in enumerate(matches) if match}
    expected = {chr(ord("A") + index) for index in range(len(choices))}
    return labels if len(choices) > 1 and labels.keys() == expected else {}


def _without_markup(text: str) -> str:
    return without_latex(without_markdown(text))
