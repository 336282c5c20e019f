"""The words of a prompt: the paper's, and those that ask for a chain of thought."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # the schema of recipes takes its defaults from here, and imports nothing heavy
    from rlaudio.types import Question

Style = Literal["answer_only", "thinking"]

# The system prompt of AudioMCQ, arXiv:2509.21060.
SYSTEM = "You are an audio understanding model that answers multiple choice questions based on audio content."
STYLE: Style = "answer_only"  # the paper's

# AudioMCQ's wording, and R1-AQA's (arXiv:2503.11197) where the model is to think first.
_ENDINGS: dict[str, str] = {
    "answer_only": "Output the final answer in <answer> </answer>.",
    "thinking": "Output the thinking process in <think> </think> and final answer in <answer> </answer>.",
}


def render_user_text(question: Question, style: Style = STYLE) -> str:
    """The user's turn: question, then the options as Python shows a list, without letters, then the format.

    Quotes are Python's own: an option with an apostrophe stands between double quotes.
    Raises ValueError for an unknown style.
    """
    check_style(style)
    request = f"Please choose the answer from the following options: {list(question.choices)!r}."
    return f"{question.question} {request} {_ENDINGS[style]}"


def check_style(style: str) -> None:
    """Raises ValueError for an unknown style."""
    if style not in _ENDINGS:
        raise ValueError(f"prompt.style is {style!r}; expected one of {', '.join(_ENDINGS)}")
