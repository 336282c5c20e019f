"""Is this completion right?

`exact` is the rule of the AudioMCQ authors' training script (arXiv:2509.21060, `plugin.py`), bit for bit with
its odd cases: no tags are needed, the first answer block wins even inside a thought, only case is ignored.
`robust` is `parse` with its certain layers. In both, a completion that names no option is unparsed: it counts
as wrong, and the evaluation reports the rate.
"""

from __future__ import annotations

import re
from typing import Literal

from rlaudio.answers.normalising import normalise
from rlaudio.answers.parsing import NONE, Parsed, parse
from rlaudio.types import Question

Mode = Literal["exact", "robust"]


def matches(
    text: str, question: Question, mode: Mode = "exact", *, letters: bool = False, numbers: bool = False
) -> bool:
    """Whether the completion `text` answers the question rightly: the scorer of reward and evaluation.

    In mode `robust`, options that are equal after `normalise` are one option: naming any of them counts.
    `letters` and `numbers` open those layers of `parse`; mode `exact` has no layers and refuses them.
    """
    _check_mode(mode, letters or numbers)
    if mode == "exact":
        return exact_match(text, question.answer)
    named = parse(text, question.choices, letters=letters, numbers=numbers)
    return named.index is not None and normalise(question.choices[named.index]) == normalise(question.answer)


def read_answer(
    text: str, question: Question, mode: Mode = "exact", *, letters: bool = False, numbers: bool = False
) -> Parsed:
    """The option that the completion `text` names under `mode`, whether or not it is the right one."""
    _check_mode(mode, letters or numbers)
    if mode == "robust":
        return parse(text, question.choices, letters=letters, numbers=numbers)
    named = (i for i, choice in enumerate(question.choices) if exact_match(text, choice))
    index = next(named, None)
    return NONE if index is None else Parsed("exact", index)


def exact_match(text: str, gold: str) -> bool:
    """Whether the first answer block of `text` (without one: all of it) equals that of `gold`, case ignored.

    Bit for bit `audio_choice_accuracy_reward` in the AudioMCQ repository's `training_scripts/plugin.py`.
    """
    return extract_answer(text).lower() == extract_answer(gold).lower()


def extract_answer(text: str, which: Literal["first", "last"] = "first") -> str:
    """The stripped inside of the first or last `<answer>...</answer>`; without one, the stripped text."""
    blocks: list[str] = re.findall(r"<answer>(.*?)</answer>", text, re.DOTALL | re.IGNORECASE)
    if not blocks:
        return text.strip()
    return blocks[0 if which == "first" else -1].strip()


def _check_mode(mode: str, layers: bool) -> None:
    if mode not in ("exact", "robust"):
        raise ValueError(f"matching mode {mode!r}; expected 'exact' or 'robust'")
    if mode == "exact" and layers:
        raise ValueError("matching mode 'exact' has no layers; use 'robust' with letters or numbers")
