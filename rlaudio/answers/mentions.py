"""Options and doubts inside running text."""

from __future__ import annotations

import re
from collections.abc import Sequence

NEGATION = re.compile(r"\b(?:not|no|never|neither|nor|without|except|cannot)\b|n't\b")
DOUBT = re.compile(
    NEGATION.pattern + r"|\b(?:or|either|maybe|perhaps|could|might|may|but|wait|actually|correction|instead"
    r"|rather|wrong|incorrect|false|unlikely|doubt\w*|sorry|unless|however|although|also|both|too|as well"
    r"|alternatively|exclud\w+|eliminat\w+|reject\w*|rul(?:e|es|ed|ing) out)\b|^(?:and|is|was)\b"
    r"|[?{}\u274c\u2717\u2718]"
    r"|\b(?:nicht|kein\w*|pas|non|нет|не)\b|[不没沒非或错錯]"
)


def mentions(text: str, choices: Sequence[str]) -> tuple[set[int], str]:
    """The choices that stand in `text` as whole words, and what is left of the text without them.

    Both are normalised already. The longest goes first and takes its words away, so "happy" is not found in
    "happy and calm". Single letters never count: "a" is an article.
    """
    mentioned = set()
    for index in sorted(range(len(choices)), key=lambda i: -len(choices[i])):
        choice = choices[index]
        if not choice or (len(choice) == 1 and choice.isascii() and choice.isalpha()):
            continue
        whole_words = rf"(?<![\w#+-])(?<!\w[.,'])(?:{re.escape(choice)})(?![\w#]|[.,'-]\w)"
        text, count = re.subn(whole_words, "\N{WHITE SQUARE}", text)
        if count:
            mentioned.add(index)
    return mentioned, text
