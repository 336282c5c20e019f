"""Which option does a text name? Layers from certain to doubtful; the first that names an option decides.

Rewards and accuracy use the certain layers. The doubtful ones (bare letters, numbers, mentions) are asked for
by name, because each has been seen to give credit to wrong answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal

from rlaudio.answers.choices import choices_of
from rlaudio.answers.mentions import NEGATION, mentions
from rlaudio.answers.normalising import normalise
from rlaudio.answers.parsed import NEGATED, NO_ANSWER, NONE, SEVERAL, UNFINISHED, Parsed
from rlaudio.answers.reader import Reader
from rlaudio.answers.tags import (
    Span,
    answer_spans,
    blank_thoughts,
    plain_tags,
    think_spans,
    without_stray_tags,
)

Which = Literal["first", "last", "reject"]
WHICH: Final = "last"  # a later block takes an earlier one back


def parse(
    text: str,
    choices: Sequence[str],
    *,
    which: Which = WHICH,
    letters: bool = False,
    numbers: bool = False,
    contains: bool = False,
) -> Parsed:
    """The option that `text` names, and the layer that read it.

    Only the answer block counts (of several the `which` one; `reject` finds several ambiguous), or, where
    there is none, all text outside `<think>`. A block inside `<think>` is no answer; one that the end of the
    text cuts off is, unless another option begins like it. Blocks that name all of three or more options
    are ambiguous.

    - `exact`: equal but for case and outer spaces.
    - `normalised`: equal after `normalise` and a little more, also inside a phrase such as "The answer is";
      with `numbers` also across spellings of numbers and units ("three", "3"; "21.2s", "21.2 sec"), and a
      number alone where all options have a unit and it tells them apart.
    - `letter`: an option's text with its own letter, "(B) a cat"; a letter that disagrees with the text is
      ambiguous. With `letters`, for prompts that label their options, the letter alone is enough.
    - `unique_contains`, with `contains` only and never for a training reward: exactly one option is
      mentioned, and nothing is negated.
    """
    reader = Reader(choices_of(tuple(choices)), letters, numbers)
    text = plain_tags(text)
    visible = blank_thoughts(text)
    blocks = answer_spans(visible)
    if len(blocks) > 1 and (which == "reject" or _all_are_named(reader, visible, blocks)):
        return SEVERAL
    if not blocks:
        visible = without_stray_tags(visible)
    block = blocks[0 if which == "first" else -1] if blocks else Span(0, len(visible))
    answer = visible[block.start : block.end].strip()
    if not answer:
        is_open = not block.closed or any(not thought.closed for thought in think_spans(text))
        return UNFINISHED if is_open else NO_ANSWER
    if not block.closed:
        return _read_cut_off(reader, answer)
    parsed = reader.read(answer)
    return _read_mention(answer, choices) if contains and parsed == NONE else parsed


def _all_are_named(reader: Reader, text: str, blocks: Sequence[Span]) -> bool:
    """Whether blocks name all of three or more options; of two, the second block may correct the first."""
    kinds = {kind for kind in reader.choices.kinds if kind}
    if len(blocks) < len(kinds) or len(kinds) < 3:
        return False
    indices = {reader.read(text[block.start : block.end]).index for block in blocks}
    return {reader.choices.kinds[index] for index in indices if index is not None} >= kinds


def _read_cut_off(reader: Reader, answer: str) -> Parsed:
    """What an answer names that the end of the text cuts off, unless it may have gone on to another option.

    Numbers are read as they stand, since "twenty" may have become "twenty-one".
    """
    parsed = replace(reader, numbers=False).read(answer)
    end = answer[-2:] if parsed.status == "letter" else ""
    if parsed.index is None or reader.choices.goes_on(parsed.index, end):
        return UNFINISHED
    return parsed


def _read_mention(answer: str, choices: Sequence[str]) -> Parsed:
    """The only option mentioned; ambiguous if others are too, or if something is negated."""
    mentioned, rest = mentions(normalise(answer), [normalise(choice) for choice in choices])
    if not mentioned:
        return NONE
    if len(mentioned) > 1:
        return SEVERAL
    if NEGATION.search(rest):
        return NEGATED
    return Parsed("unique_contains", min(mentioned))
