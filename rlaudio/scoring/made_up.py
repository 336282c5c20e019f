"""Made-up completions, to try rewards on before a run."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from rlaudio.types import Absent, Completion, Group, Prompt, Question


def made_up_group(question: Question, texts: Sequence[str]) -> Group:
    """Made-up completions, one token per word, for trying rewards."""
    nothing = np.zeros(0, dtype=np.int64)
    prompt = Prompt(question, nothing, nothing, features=Absent.MADE_UP)
    return Group(prompt, tuple(_made_up_completion(text) for text in texts))


def _made_up_completion(text: str) -> Completion:
    pieces = (*re.findall(r"\s*\S+", text), "")  # the stop token has no text
    return Completion.single_turn(
        token_ids=np.arange(len(pieces)),
        logprobs=np.full(len(pieces), -1.0, dtype=np.float32),
        text=text,
        token_texts=pieces,
        stop_reason="stop",
        weights_version=0,
    )
