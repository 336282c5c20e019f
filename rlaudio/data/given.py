"""What a user's own data set gives: anything at all, until it was looked at here."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from numbers import Integral
from pathlib import Path
from typing import Any, get_args

from rlaudio.data.bad_rows import MALFORMED, BadRow, any_listed, refuse_or_list
from rlaudio.types import (
    Check,
    Choice,
    Clip,
    Contribution,
    ContributionLabel,
    Dataset,
    OpenText,
    Question,
    Style,
)
from rlaudio.utils.messages import shown

_MOST = 10**7  # questions; a generator may have no end
_STYLES = get_args(Style)


def given_dataset(given: Any, name: str) -> Dataset:
    """The data set, with those of its questions whose fields are what the records say.

    Raises ValueError for what is no collection of questions, or none where no bad row is listed. Each other
    question is a bad row, which raises too or is listed, as in `rlaudio.data.bad_rows`.
    """
    data = given if isinstance(given, Dataset) else Dataset(_collected(given, name))
    if not isinstance(data.questions, Sequence) or not isinstance(data.contributions, Mapping):
        held = f"{shown(data.questions, 80)} and {shown(data.contributions, 80)}"
        raise ValueError(
            f"{name} gave a Dataset of {held}; expected questions, and a dictionary of contributions by "
            "question id"
        )
    if not data.questions and not any_listed():  # bad rows say more
        raise ValueError(f"{name} gave no questions; expected at least one")
    for id, stated in data.contributions.items():
        if not isinstance(stated, Contribution) or stated.label not in get_args(ContributionLabel):
            raise ValueError(
                f"{name} gave {shown(stated)} for {shown(id)}; expected a Contribution, weak or strong"
            )
    questions = tuple(map(_with_tuples, data.questions))
    faults = [next(_faults(question), "") for question in questions]
    bad = [
        BadRow(MALFORMED, fault, f"{name}, question {number}")
        for number, fault in enumerate(faults, start=1)
        if fault
    ]
    refuse_or_list(bad, name)
    if not bad and all(map(operator.is_, questions, data.questions)):
        return data
    good = (question for question, fault in zip(questions, faults, strict=True) if not fault)
    return Dataset(tuple(good), data.contributions, data.benchmark)


def _collected(given: Any, name: str) -> tuple[Any, ...]:
    if not isinstance(given, Iterable) or isinstance(given, str | bytes | Mapping):
        raise ValueError(f"{name} gave {shown(given)}; expected a Dataset, or a list of Question")
    questions = tuple(islice(given, _MOST + 1))
    if len(questions) > _MOST:
        raise ValueError(f"{name} gave more than {_MOST:,} questions; does it end?")
    return questions


def _with_tuples(question: Any) -> Any:
    """The question with tuples where it has lists: of clips, and of options."""
    if not isinstance(question, Question):
        return question
    clips, target = question.clips, question.target
    if isinstance(target, Choice) and isinstance(target.options, list):
        target = replace(target, options=tuple(target.options))
    if isinstance(clips, list):
        clips = tuple(clips)
    is_same = clips is question.clips and target is question.target
    return question if is_same else replace(question, clips=clips, target=target)


def _faults(question: Any) -> Iterator[str]:
    """What of a question is not as the records say."""
    if not isinstance(question, Question):
        yield f"is {shown(question)}; expected a Question"
        return
    for name, (is_right, expected) in _FIELDS.items():
        value = getattr(question, name)
        if not is_right(value):
            yield f"{name} is {shown(value)}; expected {expected}"


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_clips(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(clip, Path | Clip) for clip in value)


def _is_target(value: Any) -> bool:
    if isinstance(value, Choice):
        gold, options = value.gold, value.options
        is_choice = isinstance(options, tuple) and _is_text(value.answer) and all(map(_is_text, options))
        is_whole = isinstance(gold, Integral) and not isinstance(gold, bool)
        return is_choice and (gold is None or (is_whole and 0 <= gold < len(options)))
    if isinstance(value, Check):
        return _is_text(value.rule) and _has_names(value.arguments)
    return isinstance(value, OpenText) and _is_text(value.answer)


def _has_names(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(_is_text, value))


def _are_texts(value: Any) -> bool:
    return _has_names(value) and all(map(_is_text, value.values()))


def _is_style(value: Any) -> bool:
    return value is None or (_is_text(value) and value in _STYLES)


_FIELDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "id": (_is_text, "a text"),
    "question": (_is_text, "a text"),
    "clips": (_are_clips, "a tuple of Path, or of Clip"),
    "target": (
        _is_target,
        "a Choice of a tuple of texts, the right one's position and its text, an OpenText or a Check",
    ),
    "groups": (_are_texts, "a dictionary of texts"),
    "text_answerable": (lambda value: value is None or isinstance(value, bool), "true, false or None"),
    "cot": (_are_texts, "a dictionary of texts"),
    "style": (_is_style, f"one of {', '.join(_STYLES)}, or None"),
    "extra": (_has_names, "a dictionary with texts as keys"),
    "place": (_is_text, "a text"),
}
