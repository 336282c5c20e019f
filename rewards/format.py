"""1 if the completion is laid out as asked for, else 0; what it says does not matter.

- `answer_only`: `<answer>...</answer>` and nothing else. Bit for bit the paper's rule (arXiv:2509.21060), so
  a chain of thought scores 0.
- `think_answer`: `<think>...</think><answer>...</answer>`.
- `structured`: the same with `<stage1>`, `<stage2>`, `<stage3>` in the thought, as SFT teaches it.

Tags are in lower case, each exactly once, with nothing but white space around the blocks. `partial` pays a
quarter for the thought and three quarters for the answer block instead, wherever they stand, as NeMo-RL does;
with `answer_only` 1 for the answer block.
"""

import re
from typing import Literal

from rlaudio.types import Completion, Question

ANSWER = r"<answer>.*</answer>"
THOUGHT = {
    "answer_only": "",
    "think_answer": r"<think>.*</think>\s*",
    "structured": r"<think>\s*<stage1>.*</stage1>\s*<stage2>.*</stage2>\s*<stage3>.*</stage3>\s*</think>\s*",
}


def format(
    question: Question,
    completion: Completion,
    *,
    mode: Literal["answer_only", "think_answer", "structured"] = "answer_only",
    partial: bool = False,
) -> float:
    """1.0 for a completion of exactly this layout, else 0.0; the format reward of arXiv:2509.21060.

    With `partial` 0.25 for the thought and 0.75 for the answer block, as in NeMo-RL.
    """
    text, thought = completion.text.strip(), THOUGHT[mode]
    if partial and not thought:
        return float(_holds(ANSWER, text))
    if partial:
        return 0.25 * _holds(thought, text) + 0.75 * _holds(ANSWER, text)
    layout = thought + ANSWER
    return float(_holds(layout, text) and re.fullmatch(layout, text, re.DOTALL) is not None)


def _holds(block: str, text: str) -> bool:
    """Whether the block stands somewhere in the text, and each of its tags only once."""
    once = all(text.count(tag) == 1 for tag in re.findall(r"</?\w+>", block))
    return once and re.search(block, text, re.DOTALL) is not None
