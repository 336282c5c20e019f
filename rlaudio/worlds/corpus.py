"""Examples that small models are trained on."""

from __future__ import annotations

from dataclasses import dataclass

from rlaudio.prompts.wording import render_user_text
from rlaudio.types import Clip, Question

DEFAULT_SYSTEM = "You are a helpful assistant."


@dataclass(frozen=True)
class Exchange:
    """What the user says and what the assistant should answer."""

    instruction: str
    response: str


@dataclass(frozen=True, eq=False)
class Example:
    """A clip (None: text alone) and independent exchanges about it under one system prompt."""

    clip: Clip | None
    exchanges: tuple[Exchange, ...]
    system: str = DEFAULT_SYSTEM


def exam(question: Question) -> Exchange:
    """A question in the paper's prompt format, and its answer in the paper's format."""
    return Exchange(render_user_text(question), f"<answer>{question.answer}</answer>")
