"""Right where the text names the gold option, in any spelling and layout, and no other.

Options that differ in no more than spaces, typographic signs and a final stop are one option: naming any of
them counts. `parse` says what is read.
"""

from typing import Literal

from rlaudio.answers import normalise_but_case, parse
from rlaudio.answers.parsing import WHICH
from rlaudio.types import Question, Verdict


def robust(
    question: Question,
    text: str,
    *,
    which: Literal["first", "last", "reject"] = WHICH,  # of several answer blocks; reject: none
    letters: bool | None = None,  # a letter alone is an answer; None: where the data set labels its options
    numbers: bool = True,  # "three" is "3", "21.2s" is "21.2 sec"
) -> Verdict:
    """Right where the option that `parse` reads is the gold one."""
    if not question.choices:
        return Verdict(False, None, "none", "no options")
    labelled = question.style == "letters" if letters is None else letters
    parsed = parse(text, question.choices, which=which, letters=labelled, numbers=numbers)
    right = parsed.index is not None and (
        normalise_but_case(question.choices[parsed.index]) == normalise_but_case(question.answer)
    )
    return Verdict(right, parsed.index, parsed.status, parsed.reason)
