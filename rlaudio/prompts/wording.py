"""The words of a prompt: the paper's, those that ask for a chain of thought, and those of benchmarks."""

from __future__ import annotations

from string import ascii_uppercase
from typing import TYPE_CHECKING

from rlaudio.utils.literals import Style

if TYPE_CHECKING:  # the schema of recipes takes its defaults from here, and imports nothing heavy
    from rlaudio.types import Question

# The system prompt of AudioMCQ, arXiv:2509.21060.
SYSTEM = "You are an audio understanding model that answers multiple choice questions based on audio content."
STYLE: Style = "answer_only"  # the paper's

# AudioMCQ's wording, and R1-AQA's (arXiv:2503.11197) where the model is to think first.
_ENDINGS: dict[str, str] = {
    "answer_only": "Output the final answer in <answer> </answer>.",
    "thinking": "Output the thinking process in <think> </think> and final answer in <answer> </answer>.",
}
STYLES = (*_ENDINGS, "letters")


def render_user_text(question: Question) -> str:
    """The user's turn in the question's style: its text, its options, and the form of the answer.

    `answer_only` (where it has none) and `thinking` give the options as Python shows a list, without letters;
    quotes are Python's own: an option with an apostrophe stands between double quotes. `letters` is the
    wording of MMSU. A question without options is asked without them, one whose form is checked in its own
    words alone. Raises ValueError for another style, and for more options than letters.
    """
    from rlaudio.types import OpenText  # not above: the schema of recipes imports this file, and no NumPy

    style = question.style or STYLE
    if style == "letters" and question.choices:
        return _lettered(question)
    if style not in STYLES:
        raise ValueError(
            f"question {question.id}: its style is {style!r}; expected one of {', '.join(STYLES)}, or none"
        )
    ending = _ENDINGS.get(style, _ENDINGS[STYLE])
    if not question.choices:
        return f"{question.question} {ending}" if isinstance(question.target, OpenText) else question.question
    request = f"Please choose the answer from the following options: {list(question.choices)!r}."
    return f"{question.question} {request} {ending}"


def _lettered(question: Question) -> str:
    """The prompt of MMSU (arXiv:2506.04779); where there are fewer options fewer letters are named."""
    letters = list(ascii_uppercase[: len(question.choices)])
    if len(letters) < len(question.choices):
        raise ValueError(
            f"question {question.id}: {len(question.choices)} options and {len(letters)} letters; ask in "
            "another prompt.style"
        )
    options = "\n".join(f"{mark}. {text}" for mark, text in zip(letters, question.choices, strict=True))
    return (
        f"Choose the most suitable answer from options {_listed(letters, 'and')}. "
        f"You must respond with only {_listed(letters, 'or')}.\n\nQuestion: {question.question}\n\n{options}"
    )


def _listed(letters: list[str], word: str) -> str:
    """Such as "A, B, C, and D"."""
    *others, last = letters
    comma = "," if len(others) > 1 else ""
    return f"{', '.join(others)}{comma} {word} {last}" if others else last
