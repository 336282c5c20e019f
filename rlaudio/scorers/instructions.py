"""Does an answer follow an instruction about its form? The rules of MMAU-Pro, by their names in its data.

As `evaluate_mmau_pro_comprehensive.py` of MMAU-Pro (arXiv:2508.13992), one function for each
`task_identifier`, with the odd cases of that script: a mark such as `"` alone is text in quotes, and a
number is compared as it stands. The patterns match what the script's match, in time proportional to the
text.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from numbers import Real
from typing import Any, cast

from rlaudio.scorers.cannot_score import CannotScoreError
from rlaudio.utils.messages import shown

_BULLET = re.compile(r"(?:^|(?<!\s)[^\S\n]*\n)\s*\*\s+")  # the script's (?:^|\n)\s*\*\s+
_HIGHLIGHT = re.compile(r"\*[^*]+\*")
_PLACEHOLDER = re.compile(r"\[[^\]]+\]")
_RESPONSES_APART = "******"
_NO_RANGE = 999  # the upper end of a range where the data gives none


def follows(instruction: str, arguments: Mapping[str, Any], question: str, text: str) -> bool:
    """Whether the text follows the instruction; an unknown instruction is never followed.

    `question` is the text of the row's question, which one rule wants repeated. Raises CannotScoreError for
    an argument on which the script would stop, and for rules that need NLTK where it is not installed.
    """
    rule = RULES.get(instruction)
    return rule is not None and rule(text, _Arguments(instruction, {**arguments, "question": question}))


class _Arguments:
    """The arguments of a row, each checked when it is asked for."""

    def __init__(self, instruction: str, values: Mapping[str, Any]) -> None:
        self._instruction, self._values = instruction, values

    def text(self, name: str) -> str:
        value = self._values.get(name, "")
        if not isinstance(value, str):
            raise self._refused(name, value, "a text")
        return value

    def words(self, name: str) -> list[str]:
        """Words or phrases in lower case."""
        return self.text(name).lower().split(", ")

    def number(self, name: str, default: int = 0) -> float:
        value = self._values.get(name, default)
        if not isinstance(value, Real):
            raise self._refused(name, value, "a number")
        return cast(float, value)  # compared as it stands

    def spans(self, count: int) -> bool:
        """Whether the count lies in the range of the row, ends included."""
        return self.number("N1") <= count <= self.number("N2", _NO_RANGE)

    def _refused(self, name: str, value: object, expected: str) -> CannotScoreError:
        return CannotScoreError(
            f"the argument {name} of {self._instruction} is {shown(value)}; expected {expected}"
        )


# --- counts --------------------------------------------------------------------------------------


def _sentences(text: str) -> int:
    """By NLTK's Punkt, as no other splitting gives its numbers."""
    try:
        return len(importlib.import_module("nltk").sent_tokenize(text))
    except ImportError as error:
        raise CannotScoreError("needs NLTK to count sentences: pip install nltk") from error
    except LookupError as error:
        raise CannotScoreError(
            "needs NLTK's data to count sentences: python -m nltk.downloader punkt_tab"
        ) from error


def _capitals(text: str) -> int:
    return sum(word.isupper() for word in text.split())


def _placeholders(text: str) -> int:
    return len(_PLACEHOLDER.findall(text[: text.rfind("]") + 1]))


def _occurrences(word: str, text: str) -> int:
    return len(re.findall(rf"\b{re.escape(word.lower())}\b", text.lower()))


def _parts(text: str, apart: str) -> int:
    """Parts that are not blank; an empty splitter leaves single characters."""
    if not apart:
        return len("".join(text.split()))
    return sum(map(bool, map(str.strip, re.split(rf"(?:(?<!\s)\s*)?{re.escape(apart)}\s*", text.strip()))))


# --- forms ---------------------------------------------------------------------------------------


def _has_title(text: str) -> bool:
    """Whether there is a <<title>>: what stands before two closing marks, after two opening ones."""
    before_marks = text.split(">")[:-1]
    return any("<<" in before[:-1] and not between for before, between in pairwise(before_marks))


def _are_two(parts: list[str]) -> bool:
    return len(parts) == 2 and parts[0].lower().strip() != parts[1].lower().strip()


def _letters(text: str) -> str:
    return re.sub(r"[^a-zA-Z]", "", text).lower()


def _letters_and_spaces(text: str) -> str:
    return re.sub(r"[^a-zA-Z ]", "", text).lower()


def _is_quoted(text: str) -> bool:
    return text.startswith('"') and text.endswith('"')


# What a `Check` may name as its rule.
RULES: Mapping[str, Callable[[str, _Arguments], bool]] = {
    "Include Keywords": lambda text, row: all(word in text.lower() for word in row.words("keywords")),
    "Keyword Frequency": lambda text, row: _occurrences(row.text("keyword"), text) == row.number("N"),
    "Forbidden Words": lambda text, row: not any(w in text.lower() for w in row.words("forbidden_words")),
    "Number Paragraphs": lambda text, row: _parts(text, "***") == row.number("N"),
    "Number Words (at least)": lambda text, row: len(text.split()) >= row.number("N"),
    "Number Words (at most)": lambda text, row: len(text.split()) <= row.number("N"),
    "Number Words (range)": lambda text, row: row.spans(len(text.split())),
    "Number Sentences (at least)": lambda text, row: _sentences(text) >= row.number("N"),
    "Number Sentences (at most)": lambda text, row: _sentences(text) <= row.number("N"),
    "Number Sentences (range)": lambda text, row: row.spans(_sentences(text)),
    "Postscript": lambda text, row: _letters(row.text("postscript_marker")) in _letters(text),
    "Number Placeholder": lambda text, row: _placeholders(text) >= row.number("N"),
    "Number Bullets": lambda text, row: len(_BULLET.findall(text)) == row.number("N"),
    "Title": lambda text, row: _has_title(text),
    "Minimum Number Highlighted Section": lambda text, row: len(_HIGHLIGHT.findall(text)) >= row.number("N"),
    "Multiple Sections": lambda text, row: _parts(text, row.text("section_splitter")) == row.number("N"),
    "Repeat Prompt": lambda text, row: text.strip().lower().startswith(row.text("question").strip().lower()),
    "Two Responses": lambda text, row: _are_two(text.split(_RESPONSES_APART)),
    "All Uppercase": lambda text, row: text.isupper(),
    "All Lowercase": lambda text, row: text.islower(),
    "All-capital Words (at least)": lambda text, row: _capitals(text) >= row.number("N"),
    "All-capital Words (at most)": lambda text, row: _capitals(text) <= row.number("N"),
    "All-capital Words (range)": lambda text, row: row.spans(_capitals(text)),
    "Start Checker": lambda text, row: _letters_and_spaces(text).startswith(
        _letters_and_spaces(row.text("start_phrase"))
    ),
    "End Checker": lambda text, row: _letters_and_spaces(text).endswith(
        _letters_and_spaces(row.text("end_phrase"))
    ),
    "Quotation": lambda text, row: _is_quoted(text.strip()),
    "No Commas": lambda text, row: "," not in text,
}

# What the arguments of each rule are called; of a range the upper end may be left out.
ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(RULES, ()),
    **dict.fromkeys([rule for rule in RULES if rule.startswith(("Number ", "All-capital Words"))], ("N",)),
    **dict.fromkeys([rule for rule in RULES if rule.endswith("(range)")], ("N1", "N2")),
    "Include Keywords": ("keywords",),
    "Keyword Frequency": ("keyword", "N"),
    "Forbidden Words": ("forbidden_words",),
    "Postscript": ("postscript_marker",),
    "Minimum Number Highlighted Section": ("N",),
    "Multiple Sections": ("section_splitter", "N"),
    "Start Checker": ("start_phrase",),
    "End Checker": ("end_phrase",),
}
OPTIONAL = ("N2", "question")  # arguments that any rule may lack, or have without reading it
