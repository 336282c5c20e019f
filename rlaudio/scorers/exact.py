"""Right where the first answer block equals the gold answer, case ignored: the paper's rule.

Bit for bit `audio_choice_accuracy_reward` in the AudioMCQ repository's `training_scripts/plugin.py`
(arXiv:2509.21060), with its odd cases: no tags are needed, the first answer block wins even inside a thought,
and the gold answer may itself stand in tags.
"""

import re

from rlaudio.types import Question, Verdict

OPENING = re.compile("<answer>", re.IGNORECASE)
CLOSING = re.compile("</answer>", re.IGNORECASE)


def exact(question: Question, text: str) -> Verdict:
    """Right where first answer block and gold answer are equal, arXiv:2509.21060."""
    answer = _first_answer(text)
    right = answer == _first_answer(question.answer)
    equal = (index for index, choice in enumerate(question.choices) if answer == _first_answer(choice))
    read = next(equal, None)
    if right or read is not None:
        return Verdict(right, read, "exact")
    return Verdict(False, None, "none", _why_unparsed(text, answer))


def _first_answer(text: str) -> str:
    """The inside of the first `<answer>...</answer>`, or all of the text; stripped, in lower case."""
    opening = OPENING.search(text)
    closing = CLOSING.search(text, opening.end()) if opening else None
    if opening and closing:
        text = text[opening.end() : closing.start()]
    return text.strip().lower()


def _why_unparsed(text: str, answer: str) -> str:
    if not answer:
        return "no answer"
    return (
        "unfinished"
        if (opening := OPENING.search(text)) and not CLOSING.search(text, opening.end())
        else "no option"
    )
