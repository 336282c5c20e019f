"""Right where the text leads to the gold option: the rule that scores the dev set of DCASE 2026 Task 5.

The challenge scores by equal texts after prefixes such as "A." are gone, and publishes no script. This is
the evaluator in the style of the official one that entrants use (`adqa_official_evaluator.py`,
KaiyangLi1992/Mizar_159M). A text leads to an option by the first of these that fits:

1. it equals the option but for case and spaces (of equal options it is the last);
2. it is a label with a sign and a space, "b) text": the option that equals the text, or else that of the
   letter;
3. it holds exactly one option, be it as a part of a word or after "not";
4. exactly one option holds it, as that of an answer that was cut off.

Every answer counts; one that leads nowhere is wrong.
"""

import re
from collections.abc import Sequence

from rlaudio.types import Question, Verdict

_LABELLED = re.compile(r"[(\[]?\s*([A-Za-z])\s*[)\].:-]\s+(.*)", re.DOTALL)


def dcase2026_rule(question: Question, text: str) -> Verdict:
    """Right where the option that the text leads to is the gold one."""
    read, status = _resolve(text, question.choices)
    if read is None:
        return Verdict(False, None, "none", "no option" if text.strip() else "no answer")
    return Verdict(question.choices[read] == question.answer, read, status)


def _resolve(text: str, choices: Sequence[str]) -> tuple[int | None, str]:
    """The position of the option that the text leads to, and by which rule."""
    said, options = _plain(text), [_plain(choice) for choice in choices]
    if not said:
        return None, ""
    if said in options:
        return _last(said, options), "equal"
    if labelled := _LABELLED.fullmatch(text.strip()):
        letter, body = labelled.groups()
        if _plain(body) in options:
            return _last(_plain(body), options), "labelled"
        if (position := ord(letter.lower()) - ord("a")) < len(options):
            return position, "letter"
    held = [position for position, option in enumerate(options) if option and option in said]
    if len(held) == 1:
        return held[0], "holds"
    holding = [position for position, option in enumerate(options) if said in option]
    return (holding[0], "held") if len(holding) == 1 else (None, "")


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _last(text: str, options: Sequence[str]) -> int:
    return max(position for position, option in enumerate(options) if option == text)
