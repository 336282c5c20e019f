"""Right where the text names the gold option, in any spelling and layout, and no other.

Options that are equal after `normalise` are one option: naming any of them counts. `parse` says what is read,
in its certain layers; `letters` and `numbers` open two more.
"""

from rlaudio.answers import normalise, parse
from rlaudio.types import Question, Verdict


def robust(
    question: Question,
    text: str,
    *,
    letters: bool = False,  # a letter alone is an answer; for prompts that label their options
    numbers: bool = False,  # "three" is "3", "21.2s" is "21.2 sec"
) -> Verdict:
    parsed = parse(text, question.choices, letters=letters, numbers=numbers)
    right = parsed.index is not None and (
        normalise(question.choices[parsed.index]) == normalise(question.answer)
    )
    return Verdict(right, parsed.index, parsed.status, parsed.reason)
