"""What the texts of a question must be, so that it can be asked and its answer judged."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from rlaudio.answers.tags import ANSWER_TAG, THINK_TAG
from rlaudio.types import Choice, Question
from rlaudio.utils.messages import CONTROL, shown

MAX_NAME = 1_000  # characters; ids and groups stand in messages, tables and labels
MAX_TEXT = 100_000  # characters of question and choices: more than the 32,768 tokens of Qwen2.5-Omni hold
MAX_CLIPS = 100  # of 30 s they are 75,000 tokens; benchmarks have up to five
MAX_CHOICES = 1_000  # each is compared with every answer; the largest list of sound classes has about 600

_CONTROL_IN_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

Problem = tuple[str, str]  # kind and reason
Named = tuple[str, str]  # name and text


@dataclass(frozen=True)
class QuestionRules:
    """What is asked of a question's texts.

    Equal and empty options are refused for training alone: a reward cannot tell them apart, while benchmarks
    have some, and an accuracy without them would be over other questions than the published one. So are
    answers that are not published, which do not keep a model from being asked.
    """

    for_training: bool = True
    special_tokens: Collection[str] = field(default=())  # texts that the tokenizer reads as control tokens

    def problems(self, question: Question) -> list[Problem]:
        """Everything that is wrong with a question's texts; its audio is not looked at."""
        names, texts = list(_names(question)), list(_texts(question))
        unusable = list(_not_texts(names, texts)) or list(_too_long(question, names, texts))
        if unusable:
            return unusable
        problems = [*_control_characters(names, texts), *self._special_tokens(question, texts)]
        if not question.question.strip():
            problems.append(("empty text", f"question {question.question!r}; expected a text"))
        if isinstance(question.target, Choice):
            problems += _unanswerable(question, question.target, self.for_training)
        if self.for_training:
            problems += _unwritable(question)
            if isinstance(question.target, Choice):
                problems += _untrainable(question)
        return problems

    def _special_tokens(self, question: Question, texts: Sequence[Named]) -> Iterator[Problem]:
        if not self.special_tokens:
            return
        if self.for_training:  # SFT targets hold chains of thought
            thoughts = [(f"chain of thought {kind!r}", text) for kind, text in question.cot.items()]
            texts = [*texts, *thoughts]
        for name, text in texts:
            if token := self._special.search(text):
                yield (
                    "special token",
                    f"{name} holds {token.group()!r}, which a tokenizer of these models reads as a control "
                    "token; expected plain text; change its wording",
                )

    @cached_property
    def _special(self) -> re.Pattern[str]:
        longest_first = sorted(self.special_tokens, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, longest_first)))


def repeated_ids(questions: Sequence[Question]) -> dict[int, Problem]:
    """Kind and reason, by index, of every question whose id an earlier one has."""
    first_of_id: dict[str, int] = {}
    repeated = {}
    for index, question in enumerate(questions):
        first = first_of_id.setdefault(question.id, index)
        if first != index:
            there = questions[first].place
            both = f"{there} and {question.place}" if there else f"rows {first + 1} and {index + 1}"
            repeated[index] = ("duplicate id", f"this id stands at {both}; expected different ids")
    return repeated


def _texts(question: Question) -> Iterator[Named]:
    """The name and text of everything that is asked, or expected as the answer."""
    choices, answer = question.choices, question.answer
    yield "question", question.question
    for number, choice in enumerate(choices, start=1):
        yield f"choice {number}", choice
    if answer not in choices:
        yield "answer", answer


def _names(question: Question) -> Iterator[Named]:
    """The name and text of what is shown on one line."""
    yield "id", question.id
    yield from question.groups.items()


def _not_texts(names: Sequence[Named], texts: Sequence[Named]) -> Iterator[Problem]:
    for name, text in (*names, *texts):
        if not isinstance(text, str):
            yield "not a text", f"{name} is {shown(text)}; expected a text"


def _too_long(question: Question, names: Sequence[Named], texts: Sequence[Named]) -> Iterator[Problem]:
    """Checked before all else: other rules look at every character."""
    for name, text in names:
        if len(text) > MAX_NAME:
            yield "too long", f"{name} of {len(text):,} characters; expected at most {MAX_NAME:,}"
    if len(question.clips) > MAX_CLIPS:
        yield "too many clips", f"{len(question.clips):,} clips; expected at most {MAX_CLIPS:,}"
    if len(question.choices) > MAX_CHOICES:
        yield "too many choices", f"{len(question.choices):,} choices; expected at most {MAX_CHOICES:,}"
    characters = sum([len(text) for _, text in texts])
    if characters > MAX_TEXT:
        reason = f"question and choices of {characters:,} characters; expected at most {MAX_TEXT:,}"
        yield "too long", reason


def _control_characters(names: Sequence[Named], texts: Sequence[Named]) -> Iterator[Problem]:
    if "".join([text for _, text in (*names, *texts)]).isprintable():  # no control character is
        return
    for name, text in texts:
        if control := CONTROL.search(text):
            yield (
                "control character",
                f"{name} holds the character U+{ord(control.group()):04X}; expected text; take it out",
            )
    for name, text in names:
        if control := _CONTROL_IN_NAME.search(text):
            reason = f"{name} holds the character U+{ord(control.group()):04X}; expected text on one line"
            yield "control character", reason


def _unanswerable(question: Question, target: Choice, for_training: bool) -> Iterator[Problem]:
    if target.gold is None and (target.answer or for_training):
        fault = f"answer {shown(target.answer)} is none of {shown(list(target.options))}"
        yield "answer not among the choices", f"{fault}; expected the text of a choice"
    if len(target.options) < 2:
        yield "too few choices", f"the choices are {shown(list(target.options))}; expected at least two"


def _unwritable(question: Question) -> Iterator[Problem]:
    """Answers with tags in them, which end what is read as the answer: no completion could give them."""
    if question.style == "letters":
        return
    for name, text in _texts(question):
        tag = ANSWER_TAG.search(text) or THINK_TAG.search(text)
        if tag and name != "question":
            yield (
                "tag in an answer",
                f"{name} holds {tag.group()!r}, and answers are read between such tags, so no completion "
                "could give it; change its wording",
            )


def _untrainable(question: Question) -> Iterator[Problem]:
    # The reward ignores case, so choices that differ only in case are the same answer.
    counts = Counter([choice.strip().lower() for choice in question.choices])
    twice = [choice for choice, count in counts.items() if count > 1]
    if twice:
        yield (
            "duplicate choices",
            f"{shown(twice[0])} stands more than once in {shown(list(question.choices))}",
        )
    if not all(counts):
        yield "empty text", f"one of the choices {shown(list(question.choices))} is empty"
