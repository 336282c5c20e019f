"""Where a text thinks and answers, how chains of thought are annotated, and the targets of SFT."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Literal

from rlaudio.types import Choice, Question

THINK_TAG = re.compile(r"< ?/? ?think(?:ing)? ?>", re.IGNORECASE)
ANSWER_TAG = re.compile(r"< ?/? ?(?:final[_ ]?)?answer ?/?>", re.IGNORECASE)
ESCAPED_TAG = re.compile(r"&lt;(/?(?:final[_ ]?)?answer)&gt;", re.IGNORECASE)
THOUGHT_TAG = re.compile(
    r"<(/?)(?:reasoning|thoughts?|analysis|reflection|scratchpad|plan(?:ning)?|rationale|explanation"
    r"|summary)>"
    r"|<\|(?:begin|(end))_of_thought\|>",
    re.IGNORECASE,
)
NEXT_TURN = re.compile(
    r"<\|im_start\|>\s*user\b|<\|user\|>|<start_of_turn>\s*user\b|\n[^\S\n]*(?:Human|User) ?:"
)
CUT_TAG = re.compile(r"<[/a-z]{0,7}\s*$", re.IGNORECASE)  # what may be left of `</answer>` at the end


@dataclass(frozen=True)
class Span:
    """`text[start:end]` lies between two tags, which are outside."""

    start: int
    end: int
    closed: bool = True  # False: no closing tag, the span runs to the end of the text


def think_spans(text: str) -> list[Span]:
    """Where the text thinks: between `<think>` and `</think>`, tags in any case.

    Without a closing tag all that follows is thought (`closed=False`). A first closing tag without an opening
    one ends a thought that began with the text, since some chat templates open it in the prompt. A thought
    within a thought is a part of it, if both are closed.
    """
    tags = list(THINK_TAG.finditer(text))
    closing = _closing_tags(tags)
    spans: list[Span] = []
    start, until = None, -1  # until: the tag that closes the open thought, if it is known
    for number, tag in enumerate(tags):
        opens = "/" not in tag.group()
        if opens and start is None:
            start, until = tag.end(), closing.get(number, -1)
        elif not opens and start is not None and number >= until:
            spans.append(Span(start, tag.start()))
            start = None
        elif not opens and start is None and not spans:
            spans.append(Span(0, tag.start()))
    if start is not None:
        spans.append(Span(start, len(text), closed=False))
    return spans


def _closing_tags(tags: Sequence[re.Match[str]]) -> dict[int, int]:
    """For every opening tag that is closed the number of its closing one."""
    closing: dict[int, int] = {}
    still_open: list[int] = []
    for number, tag in enumerate(tags):
        if "/" not in tag.group():
            still_open.append(number)
        elif still_open:
            closing[still_open.pop()] = number
    return closing


def answer_spans(text: str) -> list[Span]:
    """Where the text answers: in each `<answer>` block outside thoughts; of nested ones, the inner.

    A block that the end of the text cuts off is not closed, unless its closing tag has begun; one with
    nothing in it counts only if all have nothing. A second opening tag at the end is a slip for the closing
    one.
    """
    visible = blank_thoughts(text)
    spans: list[Span] = []
    opened = before = None  # where the open block starts, and what that block's opening tag may have closed
    for tag in ANSWER_TAG.finditer(visible):
        if "/" not in tag.group():
            before = None if opened is None else Span(opened, tag.start())
            opened = tag.end()
        elif opened is not None:
            spans.append(Span(opened, tag.start()))
            opened = None
    spans = [span for span in spans if visible[span.start : span.end].strip()] or spans
    if opened is None:
        return spans
    if visible[opened:].strip():
        return [*spans, _cut_off(visible, opened)]
    if before is not None and visible[before.start : before.end].strip():
        return [*spans, before]
    return spans or [Span(opened, len(text), closed=False)]


def plain_tags(text: str) -> str:
    """`text` up to the next turn of a user, thoughts in `<think>`, and answers in tags that HTML escaped."""
    text = THOUGHT_TAG.sub(lambda tag: "</think>" if tag[1] or tag[2] else "<think>", text)
    text = _before_next_turn(text) if NEXT_TURN.search(text) else text
    return text if "&lt;" not in text or ANSWER_TAG.search(text) else ESCAPED_TAG.sub(r"<\1>", text)


def _before_next_turn(text: str) -> str:
    """`text` up to the next turn; all of it where that may be a dialogue before the answer."""
    turn = NEXT_TURN.search(blank_thoughts(text))
    before = text[: turn.start()] if turn else text
    is_heard = not ANSWER_TAG.search(before) and ANSWER_TAG.search(text, len(before))
    return text if is_heard or not before.strip() else before


def without_stray_tags(text: str) -> str:
    """A text that has no answer block, without closing tags: a paragraph ends there."""
    return ANSWER_TAG.sub("\n\n", text)


def _cut_off(text: str, start: int) -> Span:
    """The block from `start` to the end of the text, without what is there of its closing tag."""
    tag = CUT_TAG.search(text, max(start, len(text) - 20))
    if tag is None or not "</answer>".startswith(tag.group().strip().lower()):
        return Span(start, len(text), closed=False)
    return Span(start, tag.start(), closed=tag.group().strip() != "<")


def blank_thoughts(text: str) -> str:
    """`text` with every thought and its tags overwritten by spaces, so that offsets stay as they are."""
    pieces, done = [], 0
    for span in think_spans(text):
        pieces += [text[done : span.start], " " * (span.end - span.start)]
        done = span.end
    return THINK_TAG.sub(lambda tag: " " * len(tag.group()), "".join([*pieces, text[done:]]))


def answer_text(text: str) -> str:
    """What the text answers, for whoever reads it: its last answer block, else all outside thoughts."""
    if spans := answer_spans(text):
        return text[spans[-1].start : spans[-1].end].strip()
    return blank_thoughts(text).strip()


def sft_target(question: Question, kind: Literal["answer", "structured", "simple"] = "answer") -> str:
    """The SFT target: the gold answer as the question asks for it, behind a thought if `kind` is one.

    `structured` and `simple` put the question's annotation of that name into `<think>`.
    Raises ValueError for a question without it.
    """
    answer = _asked_for(question)
    if kind == "answer":
        return answer
    if kind not in question.cot:
        raise ValueError(
            f"question {question.id}: no {kind!r} chain of thought among {sorted(question.cot)}; "
            "train on data that has it, or on the answer alone"
        )
    if kind == "simple":
        thought = simple_analysis(question.cot[kind])
    else:
        stages = structured_stages(question.cot[kind])
        thought = "\n".join(f"<stage{n}>{stage}</stage{n}>" for n, stage in enumerate(stages, start=1))
    return f"<think>{thought}</think>\n{answer}"


def _asked_for(question: Question) -> str:
    """The gold answer in the form that the question's style asks for: its text in tags, or its letter."""
    target = question.target
    if question.style == "letters" and isinstance(target, Choice) and target.gold is not None:
        return option_answer(question, target.gold)
    return answer_block(question.answer)


def option_answer(question: Question, position: int) -> str:
    """An answer that names the option at a position, in the form that the question asks for."""
    return (
        ascii_uppercase[position] if question.style == "letters" else answer_block(question.choices[position])
    )


def answer_block(text: str) -> str:
    """An answer in the tags that the paper's prompt asks for."""
    return f"<answer>{text}</answer>"


def structured_stages(text: str) -> list[str]:
    """The three stages of AudioMCQ's structured chain of thought, without tags.

    A stage ends with `</stageN>` or, as the paper's figure prints it, with a second `<stageN>`.
    Raises ValueError if one is missing.
    """
    stages = []
    for n in (1, 2, 3):
        stage = re.search(rf"<stage{n}>(.*?)</?stage{n}>", text, re.DOTALL | re.IGNORECASE)
        if stage is None:
            raise ValueError(
                f"no stage {n} in the structured chain of thought {text[:80]!r}; "
                f"expected <stage{n}>...</stage{n}>"
            )
        stages.append(stage.group(1).strip())
    return stages


def simple_analysis(text: str) -> str:
    """AudioMCQ's unstructured chain of thought: the inside of `<simple analysis>`, or the text if untagged.

    As with stages, a second opening tag is accepted for the closing one.
    """
    analysis = re.search(r"<simple analysis>(.*?)</?simple analysis>", text, re.DOTALL | re.IGNORECASE)
    return (analysis.group(1) if analysis else text).strip()
