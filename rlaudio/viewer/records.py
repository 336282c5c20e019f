"""What the viewer shows: groups of completions with named numbers, flags to filter by, and clips to hear.

Every text may come from a model or from somebody else's file; nothing here is markup.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from rlaudio.viewer.clips import PageClip

ColumnKind = Literal["total", "reward", "advantage", "number"]


@dataclass(frozen=True)
class Column:
    """A number of completions, or of groups, that is shown, sorted by and exported."""

    name: str
    kind: ColumnKind = "number"
    meaning: str = ""  # shown where the pointer rests
    of_group: bool = False  # one number a group, in `ViewedGroup.values`


@dataclass(frozen=True, eq=False)
class ViewedCompletion:
    """One completion of a group, as it is shown."""

    text: str
    values: Mapping[str, float | None] = field(default_factory=dict)  # by column; NaN and None: no value
    flags: frozenset[str] = frozenset()  # of those that `Viewed.flags` describes
    stop_reason: str = ""
    title: str = ""  # what tells it from the others of its group, such as "silence"
    pieces: tuple[str, ...] = ()  # [S] the texts of its tokens, where they are tinted
    tints: Mapping[str, np.ndarray] = field(default_factory=dict)  # name -> [S] a number of every token


@dataclass(frozen=True, eq=False)
class ViewedGroup:
    """A question with its clips and all completions that answer it at one step."""

    question_id: str
    question: str
    completions: Sequence[ViewedCompletion] = ()
    options: Sequence[str] = ()
    gold: int | None = None  # position of the right option
    answer: str = ""  # the right answer, where there are no options
    stage: str = ""
    step: int | None = None
    facts: Mapping[str, str] = field(default_factory=dict)  # category, source, contribution, ...: filters
    values: Mapping[str, float | None] = field(default_factory=dict)  # by column of groups
    clips: Sequence[ClipToHear] = ()


@dataclass(frozen=True)
class ClipToHear:
    """A clip of a question, read only if there is room for it in the page."""

    name: str  # equal audio, equal name: a path or a digest
    read: Callable[[], PageClip] | None = None  # raises ValueError or OSError where it cannot be read
    absent: str = "the audio is not kept in this folder"  # why there is no `read`


@dataclass(frozen=True, eq=False)
class Viewed:
    """Everything that one page shows of completions."""

    groups: Sequence[ViewedGroup]
    columns: Sequence[Column] = ()
    flags: Mapping[str, str] = field(default_factory=dict)  # name -> meaning; each becomes a filter
    selection: str = ""  # which completions these are, in a sentence
    tints: Mapping[str, str] = field(default_factory=dict)  # name -> meaning
