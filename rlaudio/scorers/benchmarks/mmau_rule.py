"""Right where the text holds every word of the gold option and no word of another: the rule of MMAU and MMAR.

As `evaluation.py` of MMAU (arXiv:2410.19168) and of MMAR (arXiv:2505.13032): words are compared as sets, so
their order, tags and all else around them do not matter, and a text that names a rejected option is wrong.
Options whose words are those of the gold one rule nothing out.
"""

import re
from collections.abc import Sequence

from rlaudio.types import Question, Verdict

_WORD = re.compile(r"\b\w+\b")


def mmau_rule(question: Question, text: str) -> Verdict:
    """Right by the words of the text, arXiv:2410.19168; what it names is read."""
    words = _words(text)
    if not words:
        return Verdict(False, None, "none", "no answer")
    right = _names(words, question.answer, question.choices)
    named = (n for n, choice in enumerate(question.choices) if _names(words, choice, question.choices))
    read = question.choices.index(question.answer) if right and question.answer in question.choices else None
    read = next(named, None) if read is None else read
    known = right or read is not None
    return Verdict(right, read, "words" if known else "none", "" if known else "no option's words alone")


def _names(words: set[str], option: str, choices: Sequence[str]) -> bool:
    """Whether these words name an option: all of its own, and none that another option has beside them."""
    wanted = _words(option)
    of_others = (other - wanted for other in map(_words, choices) if other != wanted)
    return wanted <= words and not words & set().union(*of_others)


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))
