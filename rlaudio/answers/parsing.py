"""Which option does a text name? Layers from certain to doubtful; the first that names an option decides.

Rewards and accuracy use the certain layers. The doubtful ones (bare letters, numbers, mentions) are asked for
by name, because each has been seen to give credit to wrong answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rlaudio.answers.normalising import canonical_numbers, normalise
from rlaudio.answers.tags import ANSWER_OPENS, answer_spans, blank_thoughts, think_spans

Status = Literal["exact", "normalised", "letter", "unique_contains", "ambiguous", "none"]


@dataclass(frozen=True)
class Parsed:
    """The option that a text names, and the layer that read it."""

    status: Status
    index: int | None = None  # position among the choices; None: unparsed
    reason: str = field(default="", compare=False)  # why it is unparsed; not compared

    @property
    def parsed(self) -> bool:
        return self.index is not None


NONE = Parsed("none", reason="no option")
NO_ANSWER = Parsed("none", reason="no answer")
UNFINISHED = Parsed("none", reason="unfinished")  # an answer or a thought that was left open
SEVERAL = Parsed("ambiguous", reason="several")
CONTRADICTION = Parsed("ambiguous", reason="contradiction")  # a letter and the text of another option
NEGATED = Parsed("ambiguous", reason="negated")
Reading = Callable[[str, Sequence[str]], Parsed]


def parse(
    text: str,
    choices: Sequence[str],
    *,
    which: Literal["first", "last", "reject"] = "last",
    letters: bool = False,
    numbers: bool = False,
    contains: bool = False,
) -> Parsed:
    """The option that `text` names, and the layer that read it.

    Only the answer block counts (of several the `which` one; `reject` finds several ambiguous), or, where
    there is none, all text outside `<think>`. A block inside `<think>` or left open is no answer.

    - `exact`: equal but for case and outer spaces.
    - `normalised`: equal after `normalise`, or behind a lead-in such as "The answer is"; with `numbers` also
      across spellings of numbers and units ("three", "3"; "21.2s", "21.2 sec").
    - `letter`: an option's text behind its own letter, "(B) a cat"; a letter that disagrees with the text is
      ambiguous. With `letters`, for prompts that label their options, the letter alone is enough.
    - `unique_contains`, with `contains` only and never for a training reward: exactly one option is
      mentioned, and nothing is negated.
    """
    answer = _answer_text(text, which)
    if isinstance(answer, Parsed):
        return answer
    layers: list[Reading] = [_read_exact, _read_normalised]
    if numbers:
        layers.append(_read_numbers)
    layers.append(_read_letter if letters else _read_labelled_option)
    if contains:
        layers.append(_read_mention)
    readings = (layer(answer, choices) for layer in layers)
    return next((reading for reading in readings if reading != NONE), NONE)


def _answer_text(text: str, which: str) -> str | Parsed:
    """The words to compare with the options, or what to return where there are none."""
    visible = blank_thoughts(text)
    spans = answer_spans(text)
    if which == "reject" and len(spans) > 1:
        return SEVERAL
    if spans:
        span = spans[0 if which == "first" else -1]
        visible = visible[span.start : span.end]
    elif ANSWER_OPENS.search(visible):
        return UNFINISHED  # what follows may be the beginning of another option
    return visible.strip() or (NO_ANSWER if all(span.closed for span in think_spans(text)) else UNFINISHED)


# The layers, in their order. Each returns NONE when it finds no option.


def _read_exact(answer: str, choices: Sequence[str]) -> Parsed:
    options = [choice.strip().lower() for choice in choices]
    return Parsed("exact", options.index(answer.lower())) if answer.lower() in options else NONE


def _read_normalised(answer: str, choices: Sequence[str]) -> Parsed:
    options = [normalise(choice) for choice in choices]
    for reading in (normalise(answer), _without_lead_in(answer)):
        if reading in options:
            return Parsed("normalised", options.index(reading))
    return NONE


def _read_numbers(answer: str, choices: Sequence[str]) -> Parsed:
    """Equal in numbers and units; ambiguous where that would merge options that differ otherwise."""
    reading = canonical_numbers(_without_lead_in(answer))
    hits = [i for i, choice in enumerate(choices) if canonical_numbers(choice) == reading]
    if len({normalise(choices[i]) for i in hits}) > 1:
        return SEVERAL
    return Parsed("normalised", hits[0]) if hits else NONE


LABELLED = re.compile(r"(?:\(([a-z])\) ?|([a-z])[).:] )(.+)", re.DOTALL)  # "(b) a cat", "b. a cat"
BARE_LETTER = re.compile(r"(?:option |choice )?\(?([a-z])[).:]?")


def _read_labelled_option(answer: str, choices: Sequence[str]) -> Parsed:
    """An option's text behind a letter, which must be its own."""
    labelled = LABELLED.fullmatch(_without_lead_in(answer))
    if labelled is None:
        return NONE
    options = [normalise(choice) for choice in choices]
    option, index = normalise(labelled[3]), _position(labelled[1] or labelled[2])
    if option not in options:
        return NONE
    return Parsed("letter", index) if options[index : index + 1] == [option] else CONTRADICTION


def _read_letter(answer: str, choices: Sequence[str]) -> Parsed:
    """A letter alone, or before words that name no other option."""
    reading = _read_labelled_option(answer, choices)
    if reading != NONE:
        return reading
    text = _without_lead_in(answer)
    if bare := BARE_LETTER.fullmatch(text):
        index = _position(bare[1])
    elif labelled := LABELLED.fullmatch(text):
        index = _position(labelled[1] or labelled[2])
        if _mentions(labelled[3], choices)[0] - {index}:
            return CONTRADICTION
    else:
        return NONE
    return Parsed("letter", index) if index < len(choices) else NONE


NEGATION = re.compile(r"\b(?:not|no|never|neither|nor|without|except|cannot)\b|n't\b")


def _read_mention(answer: str, choices: Sequence[str]) -> Parsed:
    """The only option mentioned; ambiguous if others are too, or if something is negated."""
    mentioned, rest = _mentions(normalise(answer), choices)
    if not mentioned:
        return NONE
    if len(mentioned) > 1:
        return SEVERAL
    if NEGATION.search(rest):
        return NEGATED
    return Parsed("unique_contains", min(mentioned))


def _mentions(text: str, choices: Sequence[str]) -> tuple[set[int], str]:
    """The options that stand in `text` as whole words, and what is left of the text without them.

    The longest goes first and takes its words away, so "happy" is not found in "happy and calm". Single
    letters never count: "a" is an article.
    """
    mentioned = set()
    options = [normalise(choice) for choice in choices]
    for index in sorted(range(len(options)), key=lambda i: -len(options[i])):
        option = options[index]
        if not option or (len(option) == 1 and option.isalpha()):
            continue
        whole_words = rf"(?<![\w#+-])(?<!\w[.,'])(?:{re.escape(option)})(?![\w#]|[.,'-]\w)"
        text, count = re.subn(whole_words, "\N{WHITE SQUARE}", text)
        if count:
            mentioned.add(index)
    return mentioned, text


LEAD_IN = re.compile(
    r"(?:(?:the|my) )?(?:(?:correct|right|best|final) )?(?:answer|option|choice)(?: is:?|:) "
)


def _without_lead_in(answer: str) -> str:
    """The normalised answer, without a lead-in such as "The answer is"."""
    text = normalise(answer)
    lead_in = LEAD_IN.match(text)
    return normalise(text[lead_in.end() :]) if lead_in else text


def _position(letter: str) -> int:
    return ord(letter) - ord("a")
