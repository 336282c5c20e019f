"""The wrong option that a question's text suggests, where its data names one, and answers that choose it.

Data that knows of such options names them, in the field `tempting`, by text or position, and in
`tempting_short` in fewer words where they are qualified: the embedded world does. A model that says those
words alone, or before a comma, names no option, and is tempted all the same.
"""

from __future__ import annotations

from rlaudio.answers import answer_text, normalise
from rlaudio.answers.tags import without_stray_tags
from rlaudio.types import Question

TEMPTING = "tempting"  # field of a question's `extra`


def tempting_options(question: Question, field: str = TEMPTING) -> tuple[int, ...]:
    """Positions of the tempting option; none where the data names none, or the right one."""
    return tuple(p for p in stated_options(question, field) if question.choices[p] != question.answer)


def stated_options(question: Question, field: str = TEMPTING) -> tuple[int, ...]:
    """Positions that the field names by an option's text or its position; none where it names no option."""
    stated, options = question.extra.get(field), question.choices
    if type(stated) is int:
        return (stated,) if 0 <= stated < len(options) else ()
    return tuple(place for place, option in enumerate(options) if option == stated)


def is_tempted(question: Question, text: str, read: int | None, field: str = TEMPTING) -> bool:
    """Whether a completion, in which a scorer read this option or none, chooses the tempting one."""
    if read is not None:
        return read in tempting_options(question, field)
    short = question.extra.get(f"{field}_short")
    said = without_stray_tags(answer_text(text)).partition(",")[0]
    return isinstance(short, str) and normalise(said) == normalise(short)
