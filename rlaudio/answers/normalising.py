"""When are two spellings of an option the same?"""

from __future__ import annotations

import re
import unicodedata
from string import ascii_uppercase

# Typographic forms of ASCII signs, by code point: they look alike in an editor too.
QUOTES = "\u2039\u203a\u2018\u2019\u201b\u2032\u00b4\u02bc`"
DOUBLE_QUOTES = "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb"
DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
CORNERS = "\u300c\u300d\u300e\u300f\u3010\u3011\u300a\u300b\u3008\u3009\u3014\u3015"  # brackets of Chinese
WRAPPINGS = [
    *(("'", "'"), ('"', '"'), ("(", ")"), ("[", "]"), ("{", "}")),
    *zip(CORNERS[::2], CORNERS[1::2], strict=True),
    *(("==", "=="), ("**", "**"), ("*", "*"), ("__", "__"), ("_", "_")),  # Markdown
]
STOPS = ".,;: "


def normalise(text: str) -> str:
    """`text` without what carries no meaning in an option; idempotent.

    Removed are case, runs of spaces, invisible characters, the letters and digits of other scripts that are
    forms of these (full-width, circled, Arabic digits), typographic quotes and dashes, a final stop, and
    wrappings around the whole: quotes, brackets, Markdown emphasis.
    Signs, decimal points, sharps and question marks stay: "-5" is not "5", "1.5" not "15", "C#" not "C".
    """
    text = _plain_characters(text)
    if text.isascii():
        return _unwrapped(text.lower())
    return _unwrapped(_plain_characters(unicodedata.normalize("NFD", text).casefold()))


def normalise_but_case(text: str) -> str:
    """`text` normalised, its letters in the case that they have."""
    return _unwrapped(_plain_characters(text))


HYPHEN = re.compile(r"(?<=[^\W\d_])-(?=[^\W\d_])")
KEY = re.compile(r"\b([a-g])[ -](sharp|flat)\b")
COMPARISON = re.compile(r" ?([<>=\u2264\u2265]) ?")
ARTICLE = re.compile(
    r"^(?:(?:an?|the|un[eo]?|una|uma?|il|gli|el|los|las|la(?! (?:do|re|mi|fa|sol|la|si|ti)\b)|les?"
    r"|eine?|der|die|das) |l')"
    r"(?=\w\w)(?!(?:note|string|key|chord|scale)$)(?!(?:an?|the|major|minor|flat|sharp|natural"
    r"|mayor|menor|majeur|mineur|maggiore|minore|bemol\w*|sostenid[oa]|diese|diesis)\b)"
)
ACCENTS = dict.fromkeys([*range(0x300, 0x333), *range(0x64B, 0x653)])  # and Arabic vowels
SIGNS = str.maketrans({"\u266f": "#", "\u266d": "b"})


CONTRACTED_IS = re.compile(r"\b(it|that|this|there|here|he|she|what|who)'s\b")
CONTRACTED_NOT = re.compile(r"\b(is|are|was|were|do|does|did|has|have|had)n't\b")
QUOTED = re.compile(r'"([^"]*)"')
OF_BOTH = re.compile(r"^(both|neither)(?: one| of (?:them|these|those|the two|the above))$")
OF_ALL = re.compile(
    r"^(none|all) (?:of )?(?:them|(?:the |these |those )?(?:given |listed |above )?"
    r"(?:above|these|those|options|choices|answers))$"
)
ONLY_BEFORE = re.compile(r"^(?:only|just|solely|nothing but) ")
ONLY_BEHIND = re.compile(r",? (?:only|alone|exclusively|(?:(?:and|&) )?nothing else)$")


def loosened(text: str) -> str:
    """A normalised text without what seldom carries meaning: for options that this leaves different.

    An article at the beginning, accents, an exclamation mark, hyphens in words, quotes, spaces around "<";
    "C sharp" is "C#", "it's" is "it is", "both of them" is "both", "none of these" is "none of the above",
    "just the piano" is "piano only".
    """
    if not text.isascii():
        text = unicodedata.normalize("NFD", text.translate(SIGNS)).translate(ACCENTS)
        text = unicodedata.normalize("NFC", text)
    text = text.lstrip("\u00a1").rstrip("!" + STOPS) or text
    alone = ONLY_BEHIND.sub("", ONLY_BEFORE.sub("", text, count=1), count=1)
    text = ARTICLE.sub("", alone) + " only" * (alone != text)
    if "'" in text:
        text = CONTRACTED_NOT.sub(r"\1 not", CONTRACTED_IS.sub(r"\1 is", text))
    if '"' in text:
        text = QUOTED.sub(r"\1", text)
    text = OF_ALL.sub(r"\1 of the above", OF_BOTH.sub(r"\1", text))
    if "-" in text:
        text = HYPHEN.sub(" ", text)
    if "sharp" in text or "flat" in text:
        text = KEY.sub(lambda key: key[1] + "#b"[key[2] == "flat"], text)
    text = COMPARISON.sub(r"\1", text)
    return text.replace(" and ", " & ")


class _PlainCharacters(dict[int, str | None]):
    """A table for `str.translate`, filled as characters come up."""

    def __missing__(self, code: int) -> str | None:
        self[code] = plain = _plain_character(chr(code))
        return plain


FORMS = (  # not <super>: 10³ is not 103
    *("<wide>", "<narrow>", "<small>", "<circle>", "<compat>", "<font>", "<square>"),
)
LETTERS_IN_COLOUR = {  # negative circled, negative squared: no forms of letters to Unicode
    first + place: letter for first in (0x1F150, 0x1F170) for place, letter in enumerate(ascii_uppercase)
}
PLAIN_CHARACTERS = _PlainCharacters(
    str.maketrans(dict.fromkeys(QUOTES, "'") | dict.fromkeys(DOUBLE_QUOTES, '"') | dict.fromkeys(DASHES, "-"))
    | str.maketrans(
        {"\u3002": ".", "\u0964": ".", "\u3001": ",", "\u066a": "%", "\u2215": "/", "\u20e3": None}
    )
    | LETTERS_IN_COLOUR
    | {first + place: str(1 + place) for first in (0x2776, 0x2780, 0x278A) for place in range(9)}
)


def _plain_character(character: str) -> str | None:
    """The character that this one is a form of; None for an invisible one: zero-width, direction."""
    if unicodedata.category(character) == "Cf":
        return None
    if unicodedata.category(character) == "Nd":
        return str(unicodedata.decimal(character))
    if unicodedata.decomposition(character).startswith(FORMS):
        return unicodedata.normalize("NFKC", character)
    return character


def _plain_characters(text: str) -> str:
    if text.isascii():
        text = text.replace("`", "'")
    else:
        text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).translate(PLAIN_CHARACTERS))
    return " ".join(text.split())


OPENINGS = {opening[0] for opening, _ in WRAPPINGS}


def _unwrapped(text: str) -> str:
    """`text` without wrappings and final stops, in linear time; never empty if `text` is not."""
    start, end = 0, len(text)
    partners: dict[str, dict[int, int]] = {}
    while True:
        stop = end
        while stop > start and text[stop - 1] in STOPS:
            stop -= 1
        end = stop if stop > start else end
        if start == end or text[start] not in OPENINGS:
            return text[start:end]
        inside = next((i for wrap in WRAPPINGS if (i := _inside(text, start, end, wrap, partners))), None)
        if inside is None:
            return text[start:end]
        start, end = inside


def _inside(
    text: str, start: int, end: int, wrapping: tuple[str, str], partners: dict[str, dict[int, int]]
) -> tuple[int, int] | None:
    """Where the inside of `text[start:end]` lies if `wrapping` is around it and has something in it."""
    opening, closing = wrapping
    first, last = start + len(opening), end - len(closing)
    if first >= last or not (text.startswith(opening, start) and text.endswith(closing, start, end)):
        return None
    if opening != closing:
        if opening not in partners:
            partners[opening] = _partners(text, opening, closing)
        if partners[opening].get(start) != last:  # unlike the brackets around "(a) cat (b)"
            return None
    while first < last and text[first].isspace():
        first += 1
    while first < last and text[last - 1].isspace():
        last -= 1
    return (first, last) if first < last else None


def _partners(text: str, opening: str, closing: str) -> dict[int, int]:
    """The closing bracket of each opening one, by position."""
    partners, still_open = {}, []
    for position, character in enumerate(text):
        if character == opening:
            still_open.append(position)
        elif character == closing and still_open:
            partners[still_open.pop()] = position
    return partners
