"""Small hand-made records for tests: a question, a completion, a group, without any model."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from rlaudio.types import (
    Completion,
    Contribution,
    ContributionLabel,
    Group,
    HeardClip,
    Prompt,
    Question,
    StopReason,
)

STOP_TOKEN_ID = 0
PIECES = re.compile(r"\s*</?\w+>|\s*\w+|\s*[^\w\s]|\s+$")  # every character falls in exactly one piece


def make_question(
    *,
    id: str = "q1",
    question: str = "Which animal is heard?",
    choices: tuple[str, ...] = ("a dog", "a cat", "a cow", "a bird"),
    answer: str | None = None,
    clip: Path | str = "q1.wav",
    **fields: Any,
) -> Question:
    """A question whose answer is its first choice unless another is named."""
    right = choices[0] if answer is None else answer
    return Question.multiple_choice(id, question, choices, right, Path(clip), **fields)


def make_contributions(**labels: ContributionLabel) -> dict[str, Contribution]:
    """Contributions by question id, `q1="weak"`."""
    return {id: Contribution(id, label) for id, label in labels.items()}


def make_completion(
    text: str,
    *,
    stop_reason: StopReason = "stop",
    logprob: float = -1.0,
    weights_version: int = 0,
) -> Completion:
    """A completion that spells `text` in word-like tokens: each tag, word and sign is one token.

    The token ids depend on the piece of text alone. A completion that stopped ends with the stop token,
    whose piece of text is empty; a truncated one (`stop_reason="length"`) does not.
    """
    pieces = PIECES.findall(text)
    token_ids = [1 + zlib.crc32(piece.encode()) % 999 for piece in pieces]
    if stop_reason == "stop":
        pieces, token_ids = [*pieces, ""], [*token_ids, STOP_TOKEN_ID]
    return Completion.single_turn(
        token_ids=np.array(token_ids, dtype=np.int64),
        logprobs=np.full(len(token_ids), logprob, dtype=np.float32),
        text=text,
        token_texts=tuple(pieces),
        stop_reason=stop_reason,
        weights_version=weights_version,
    )


def make_prompt(question: Question | None = None, *, tokens: int = 5, frames: int = 8) -> Prompt:
    """A prompt of made-up token ids and silent features."""
    return Prompt(
        question=make_question() if question is None else question,
        token_ids=np.arange(1, tokens + 1, dtype=np.int64),
        positions=np.arange(tokens, dtype=np.int64),
        clips=(HeardClip("0" * 32),),
        features={"input_features": np.zeros((4, frames), dtype=np.float32)},
    )


def make_group(*completions: str | Completion, question: Question | None = None) -> Group:
    """One prompt with the given completions; a plain text stands for `make_completion(text)`."""
    return Group(
        prompt=make_prompt(question),
        completions=tuple(c if isinstance(c, Completion) else make_completion(c) for c in completions),
    )
