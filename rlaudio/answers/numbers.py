"""Numbers and units in one spelling: digits, decimal fractions, symbols."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

ONES = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEENS = [
    *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
]
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
VALUES = {word: n for n, word in enumerate(("zero", *ONES, *TEENS))}
VALUES |= {word: 10 * n for n, word in enumerate(TENS, start=2)}
VALUES |= {numeral: n for n, numeral in enumerate("一二三四五六七八九十", start=1)}
VALUES |= {"两": 2, "兩": 2, "ii": 2, "iii": 3, "iv": 4, "vi": 6, "vii": 7, "viii": 8, "ix": 9}
VALUES |= {f"{ten}{dash}{unit}": VALUES[ten] + VALUES[unit] for ten in TENS for unit in ONES for dash in " -"}
UNITS = {
    "s": "sec secs second seconds",
    "ms": "msec millisecond milliseconds",
    "min": "mins minute minutes",
    "h": "hr hrs hour hours",
    "hz": "hertz",
    "khz": "kilohertz",
    "db": "decibel decibels",
    "%": "percent",
    "°": "degree degrees",
    "m": "meter meters metre metres",
    "km": "kilometer kilometers kilometre kilometres",
}
SECONDS = {"ms": Decimal("0.001"), "s": Decimal(1)}
SYMBOLS = {spelling: unit for unit, spellings in UNITS.items() for spelling in spellings.split()}


def canonical_numbers(text: str) -> str:
    """A normalised text, numbers in digits without idle zeros, units by symbol: "21.20sec" is "21.2 s".

    "1,000", "1 000", "1e3" and "a thousand" are "1000", "one point five" and "1,5" are "1.5", "half a second"
    is "0.5 s"; a fraction in lowest terms is its decimal number, "3/4" is "0.75", while "6/8" may be a metre
    and stays.
    """
    text = NUMBER_WORD.sub(lambda word: str(VALUES[word[0]]), text.translate(FRACTIONS_AND_POWERS))
    return _canonical_digits(text) if HAS_NUMBER.search(text) else text


def _canonical_digits(text: str) -> str:
    text = HALVES.sub(r"\1.5", text)
    text = UNIT_AND_A_HALF.sub(lambda n: f"{n[1] or 1}.5 {n[2]}", text)
    text = PART_OF_UNIT.sub(lambda n: "0.5 " if n[1] else f"0.{25 * int(n[2] or 1)} ", text)
    text = HUNDREDS.sub(lambda n: str(100 * int(n[1] or 1) + int(n[2] or 0)), text)
    text = DOZENS.sub(lambda n: str(12 * int(n[1] or 1)), text)
    text = THOUSANDS.sub(lambda n: str(1000 * int(n[1] or 1) + int(n[2] or 0)), text)
    text = DECIMAL_COMMA.sub(lambda number: number[0].replace(",", "."), text)
    text = GROUPS_OF_THREE.sub(lambda number: re.sub(r"\D", "", number[0]), text)
    for pattern, replacement in REWRITES:
        text = pattern.sub(replacement, text)
    text = MIXED_FRACTION.sub(lambda n: f"{n[1]}.{_decimals(n[2])}" if _decimals(n[2]) else n[0], text)
    return " ".join(_canonical_word(word) for word in text.split())


def seconds(text: str) -> Decimal | None:
    """The length in seconds of "500 ms" or "0.5 s", a text in canonical numbers; None of any other."""
    number, _, unit = text.partition(" ")
    if unit not in SECONDS or len(number) > LONGEST_NUMBER or not NUMBER.fullmatch(number):
        return None
    return (Decimal(number) * SECONDS[unit]).normalize()


FRACTIONS_AND_POWERS = str.maketrans(
    {"\u2044": "/", "½": " 1/2", "⅓": " 1/3", "⅔": " 2/3", "¼": " 1/4", "¾": " 3/4", "⅕": " 1/5", "⅛": " 1/8"}
    | {power: f"^{n}" for n, power in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}
)
HAS_NUMBER = re.compile(r"\d|\b(?:dozen|hundred|thousand|half|quarter)\b")
NUMBER_WORD = re.compile(rf"\b(?:{'|'.join(sorted(VALUES, key=len, reverse=True))})\b")
HUNDREDS = re.compile(r"(?:\b([1-9]) )?\bhundred\b(?: (?:(?:and|&) )?(\d{1,2})\b)?")
DOZENS = re.compile(r"(?:\b(?:a |([1-9]) ))?\bdozen\b(?! or)")
THOUSANDS = re.compile(r"(?:\b(\d{1,3}) )?\bthousand\b(?: (?:(?:and|&) )?(\d{1,3})\b)?")
HALVES = re.compile(r"\b(\d+) (?:and|&) (?:a|1) half\b")
UNIT = r"(?:(?:milli)?seconds?|minutes?|hours?|(?:kilo)?met(?:er|re)s?|sec|min|ms|s|h|km)"
UNIT_AND_A_HALF = re.compile(rf"(?:\b(?:(\d+)|an?) )?\b({UNIT}) (?:and|&) (?:a|1) half\b")
PART_OF_UNIT = re.compile(
    rf"(?:\b(?:an?|1) )?\b(?:(half)|(?:([23]) )?quarters?)(?: of)?(?: an?)? (?={UNIT}\b)"
)
DECIMAL_COMMA = re.compile(r"(?<![\d.,])(?:(\d+),(?!00)(\d{1,2})|0,(\d{3,6}))(?![\d.,])")
GROUPS_OF_THREE = re.compile(r"(?<![\w.,])\d{1,3}([, '])\d{3}(?:\1\d{3})*(?![\w,'])")
REWRITES = [
    (re.compile(rf"(?<=\d/\d)(?: of)? an? (?={UNIT}\b)"), " "),
    (re.compile(r"\bper cent\b"), "%"),
    (re.compile(r"\bbetween (\d[\d.]*) ?(?:and|&|to|-) ?(?=\d)"), r"\1-"),
    (re.compile(r"(?<=\d)(?: to | ?~ ?)(?=\d)"), "-"),
    (re.compile(r"\bbeats per minute\b"), "bpm"),
    (re.compile(r"\b(?:minus|negative) (?=[\d.])"), "-"),
    (re.compile(r"\bplus (?=[\d.])|^\+ ?(?=[\d.])"), "+"),
    (re.compile(r"^- (?=[\d.])"), "-"),
    (re.compile(r"(?<=\d) ?[x\u00d7*] ?10 ?\^ ?\{?([+-]?\d{1,2})\b\}?"), r"e\1"),
    (re.compile(r"(?<![\w.^])10 ?\^ ?\{?([+-]?\d{1,2})\b\}?"), r"1e\1"),
    (re.compile(r"^point (?=\d\b(?!\.))"), "0."),
    (re.compile(r"(?<=\d) point (?=\d\b(?!\.))"), "."),
    (re.compile(r"(?<=\d) ?([-:/]) ?(?=\d)"), r"\1"),
    (re.compile(r"(?<=\d)(?=[^\W\d_]|[%°])(?!e[+-]?\d)"), " "),
]
MIXED_FRACTION = re.compile(r"(?<![\d/.])(\d{1,6}) (\d{1,3}/\d{1,3})(?![\d/])")
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,2})?")
FRACTION = re.compile(r"\d{1,3}/\d{1,3}")
LONGEST_NUMBER = 24  # characters; `Decimal` rounds at 28 digits


def _canonical_word(word: str) -> str:
    if FRACTION.fullmatch(word) and (decimals := _decimals(word)):
        return f"0.{decimals}"
    if len(word) <= LONGEST_NUMBER and NUMBER.fullmatch(word):
        return format(Decimal(word).normalize(), "f")
    return SYMBOLS.get(word, word)


def _decimals(fraction: str) -> str:
    """The digits behind the point of a proper fraction in lowest terms; "" for any other, and for 1/3."""
    numerator, denominator = map(int, fraction.split("/"))
    if not 0 < numerator < denominator or 1000 % denominator:
        return ""
    lowest = Fraction(numerator, denominator).denominator == denominator
    return format(numerator / denominator, ".3f")[2:].rstrip("0") if lowest else ""
