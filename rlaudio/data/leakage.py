"""Questions that stand in two sets: the same decoded audio, the same text, or both.

Audio is compared by its decoded samples (mono, 16 kHz), so that a copy under another name, in another
lossless format or of another length behind the limit is found; what was encoded anew with loss is not. Text
is compared without case, punctuation and spaces, and options without their order.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import permutations
from pathlib import Path
from typing import Literal

from rlaudio.audio.length_policy import MAX_SECONDS
from rlaudio.data.index import measure
from rlaudio.data.splits import length_in_samples
from rlaudio.types import Clip, Question

Shared = Literal["audio", "text", "audio and text"]
SHARED: tuple[Shared, ...] = ("audio and text", "audio", "text")

_Text = tuple[str, tuple[str, ...]]  # question and sorted options, normalised


@dataclass(frozen=True)
class Leak:
    """A question of one set that stands in another one, and the first one there that it shares most with."""

    set: str
    index: int  # of the question in its set
    id: str
    shared: Shared
    other_set: str
    other_id: str


@dataclass(frozen=True)
class Leaks:
    """What was found between sets."""

    leaks: tuple[Leak, ...]
    unreadable: Mapping[str, int] = field(default_factory=dict)  # set -> clips that were not compared

    def between(self, set: str, other: str) -> Counter[Shared]:
        """How many questions of a set share what with another set."""
        return Counter(leak.shared for leak in self.leaks if (leak.set, leak.other_set) == (set, other))

    def left_out(self, set: str, by: Collection[Shared] = SHARED) -> frozenset[int]:
        """Positions of the questions of a set that share something with any other set."""
        return frozenset(leak.index for leak in self.leaks if leak.set == set and leak.shared in by)


def find_leaks(sets: Mapping[str, Sequence[Question]], *, max_seconds: float = MAX_SECONDS) -> Leaks:
    """Every question of a set that stands in another one, by the first `max_seconds` of audio or by text.

    Only clips whose length occurs in two sets are decoded, and each once (`rlaudio.data.index`).
    """
    digests, unreadable = _digests(sets, max_seconds)
    content = {name: _Content(questions, digests) for name, questions in sets.items()}
    leaks = [leak for name, other in permutations(content, 2) for leak in _leaks(name, other, content)]
    return Leaks(tuple(leaks), unreadable)


def normalised(text: str) -> str:
    """Words and numbers of a text, in lower case, with single spaces."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(c if c.isalnum() else " " for c in plain).split())


# --- audio ---------------------------------------------------------------------------------------


def _digests(
    sets: Mapping[str, Sequence[Question]], max_seconds: float
) -> tuple[dict[Path | Clip, str], dict[str, int]]:
    """Digests of clips that may be equal to one of another set; how many of each set are unreadable."""
    clips = {name: _clips(questions) for name, questions in sets.items()}
    lengths: dict[str, dict[Path | Clip, int]] = {}
    unreadable = Counter[str]()
    for name, of_set in clips.items():
        measured = measure(of_set)
        good = {clip: known for clip, known in measured.items() if known.problem is None}
        lengths[name] = {clip: length_in_samples(known, max_seconds) for clip, known in good.items()}
        unreadable[name] += len(measured) - len(good)
    times = Counter(length for of_set in lengths.values() for length in set(of_set.values()))
    digests = {}
    for name, known_lengths in lengths.items():
        suspects = [clip for clip, length in known_lengths.items() if times[length] > 1]
        for clip, known in measure(suspects, decode=max_seconds).items():
            if known.problem:
                unreadable[name] += 1
            else:
                digests[clip] = known.digest(max_seconds)
    return digests, {name: count for name, count in unreadable.items() if count}


def _clips(questions: Sequence[Question]) -> list[Path | Clip]:
    return list(dict.fromkeys(clip for question in questions for clip in question.clips))


# --- comparing -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Content:
    """A set's questions by what they hold: position of the first one."""

    questions: Sequence[Question]
    digests: Mapping[Path | Clip, str]

    def audio(self, question: Question) -> list[str]:
        return [self.digests[clip] for clip in question.clips if clip in self.digests]

    @cached_property
    def texts(self) -> list[_Text]:
        return [_text(question) for question in self.questions]

    @cached_property
    def by_text(self) -> dict[_Text, int]:
        first: dict[_Text, int] = {}
        for index, text in enumerate(self.texts):
            first.setdefault(text, index)
        return first

    @cached_property
    def by_audio(self) -> dict[str, int]:
        first: dict[str, int] = {}
        for index, question in enumerate(self.questions):
            for digest in self.audio(question):
                first.setdefault(digest, index)
        return first

    @cached_property
    def by_both(self) -> dict[tuple[str, _Text], int]:
        first: dict[tuple[str, _Text], int] = {}
        for index, question in enumerate(self.questions):
            for digest in self.audio(question):
                first.setdefault((digest, self.texts[index]), index)
        return first

    def shares(self, question: Question, text: _Text, audio: Sequence[str]) -> tuple[Shared, int] | None:
        """What a question of another set shares with one of these, most first, and that one's position."""
        for digest in audio:
            if (digest, text) in self.by_both:
                return "audio and text", self.by_both[digest, text]
        for digest in audio:
            if digest in self.by_audio:
                return "audio", self.by_audio[digest]
        return ("text", self.by_text[text]) if text in self.by_text else None


def _leaks(name: str, other: str, content: Mapping[str, _Content]) -> Iterator[Leak]:
    here, there = content[name], content[other]
    for index, question in enumerate(here.questions):
        if shares := there.shares(question, here.texts[index], here.audio(question)):
            shared, position = shares
            yield Leak(name, index, question.id, shared, other, there.questions[position].id)


def _text(question: Question) -> _Text:
    return normalised(question.question), tuple(sorted(map(normalised, question.choices)))
