"""When are two spellings of an option the same?"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

# Typographic forms of ASCII signs, by code point: they look alike in an editor too.
QUOTES = "\u2018\u2019\u201b\u2032\u00b4\u02bc`"
DOUBLE_QUOTES = "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb"
DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
LOOK_ALIKES = (
    str.maketrans(dict.fromkeys(QUOTES, "'"))
    | str.maketrans(dict.fromkeys(DOUBLE_QUOTES, '"'))
    | str.maketrans(dict.fromkeys(DASHES, "-"))
    | {full_width: full_width - 0xFEE0 for full_width in range(0xFF01, 0xFF5F)}
    | {0x3002: "."}  # ideographic full stop
)
WRAPPINGS = [
    *(("'", "'"), ('"', '"'), ("(", ")"), ("[", "]"), ("{", "}")),
    *(("**", "**"), ("*", "*"), ("__", "__"), ("_", "_")),  # Markdown
    *(("$", "$"), ("\\(", "\\)"), ("\\text{", "}"), ("\\boxed{", "}")),  # LaTeX
]


def normalise(text: str) -> str:
    """`text` without what carries no meaning in an option; idempotent.

    Removed are case, runs of spaces, invisible and full-width characters, typographic quotes and dashes, a
    final stop, and wrappings around the whole: quotes, brackets, Markdown emphasis, `\\text{}`, `\\boxed{}`.
    Signs, decimal points, sharps and question marks stay: "-5" is not "5", "1.5" not "15", "C#" not "C".
    """
    text = "".join(c for c in text if unicodedata.category(c) != "Cf")  # invisible: zero-width, direction
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())
    text = unicodedata.normalize("NFC", text.translate(LOOK_ALIKES))
    text = " ".join(text.split())
    while (inner := _unwrap(text)) != text:
        text = inner
    return text


def _unwrap(text: str) -> str:
    """One wrapping less, or without final stops; the text itself where nothing would be left."""
    for opening, closing in WRAPPINGS:
        inside = text[len(opening) : -len(closing)].strip()
        wrapped = text.startswith(opening) and text.endswith(closing) and inside
        if wrapped and (opening == closing or _balanced(inside, opening[-1], closing[-1])):
            return inside
    return text.rstrip(".,;: ") or text


def _balanced(inside: str, opening: str, closing: str) -> bool:
    """Whether the brackets around `inside` belong to each other, unlike those of "(a) cat (b)"."""
    depth = 0
    for character in inside:
        depth += (character == opening) - (character == closing)
        if depth < 0:
            return False
    return depth == 0


NUMBER_WORDS = [
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    *("nineteen", "twenty"),
]
UNITS = {
    "s": "sec secs second seconds",
    "ms": "msec millisecond milliseconds",
    "min": "mins minute minutes",
    "hz": "hertz",
    "khz": "kilohertz",
    "db": "decibel decibels",
}
SHORT_FORMS = {word: str(number) for number, word in enumerate(NUMBER_WORDS)} | {
    spelling: unit for unit, spellings in UNITS.items() for spelling in spellings.split()
}


def canonical_numbers(text: str) -> str:
    """`text` normalised, numbers in digits without idle zeros, units by symbol: "21.20sec" is "21.2 s"."""
    spaced = re.sub(r"(?<=\d)(?=[^\W\d_])", " ", normalise(text))
    return " ".join(_canonical_word(word) for word in spaced.split())


def _canonical_word(word: str) -> str:
    if re.fullmatch(r"[+-]?\d+(?:\.\d+)?", word):
        return format(Decimal(word).normalize(), "f")
    return SHORT_FORMS.get(word, word)
