"""Held-out sets that have no clip, or no source, in common with what is left to train on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from rlaudio.types import Clip, Dataset, Question
from rlaudio.utils.number_format import thousands

By = Literal["source", "clip"]


def split(
    questions: Sequence[Question], *, by: By = "clip", share: float, seed: int = 0
) -> tuple[Dataset, Dataset]:
    """What is left to train on and a held-out set of about `share` of the questions, each in its order.

    By "clip" questions stay together that have a clip in common, by "source" those with one `source` in their
    groups as well. Whole parts are held out, in a random order by `seed`, as long as they fit in the share;
    where none does, the smallest one. Raises ValueError where either set would be empty.
    """
    if not 0 < share < 1:
        raise ValueError(f"share is {share:g}; expected a number between 0 and 1, such as 0.02")
    parts = _parts(questions, by)
    if len(parts) < 2:
        raise ValueError(
            f"all {thousands(len(questions))} questions have one {by} in common; expected two or more to "
            "divide" + ("; try by clip" if by == "source" else "")
        )
    held_out = _chosen(parts, min(round(share * len(questions)), len(questions) - 1), seed)
    rest = frozenset(range(len(questions))) - held_out
    return without(questions, held_out), without(questions, rest)


def without(questions: Sequence[Question], left_out: Collection[int]) -> Dataset:
    """The questions but for those at some positions, with their contributions."""
    data = Dataset.of(questions)
    kept = tuple(question for index, question in enumerate(data) if index not in left_out)
    ids = {question.id for question in kept}
    known = {id: contribution for id, contribution in data.contributions.items() if id in ids}
    return replace(data, questions=kept, contributions=known)


def _chosen(parts: Sequence[list[int]], wanted: int, seed: int) -> frozenset[int]:
    chosen: list[int] = []
    for number in np.random.default_rng(seed).permutation(len(parts)):
        if len(chosen) + len(parts[number]) <= wanted:
            chosen += parts[number]
    smallest = min(parts, key=len)
    return frozenset(chosen or smallest)


def _parts(questions: Sequence[Question], by: By) -> list[list[int]]:
    """Positions of the questions that must stay together, in the order of their first ones."""
    keys: list[list[Path | str]] = [[_clip_key(clip) for clip in question.clips] for question in questions]
    if by == "source":
        for question, own_keys in zip(questions, keys, strict=True):
            if "source" not in question.groups:
                raise ValueError(f"question {question.id} names no source; expected one, or split by clip")
            own_keys.append(f"source {question.groups['source']}")
    leader = _leaders(keys)
    parts: dict[int, list[int]] = {}
    for index, own_keys in enumerate(keys):
        parts.setdefault(leader(own_keys[0]) if own_keys else -1 - index, []).append(index)
    return list(parts.values())


def _leaders(keys: Sequence[Sequence[Path | str]]) -> Callable[[Path | str], int]:
    """A function that gives one number to all keys that some question has in common with others."""
    number = {key: n for n, key in enumerate(dict.fromkeys(key for own_keys in keys for key in own_keys))}
    parent = list(range(len(number)))

    def root(n: int) -> int:
        while parent[n] != n:
            parent[n] = n = parent[parent[n]]
        return n

    for own_keys in keys:
        for other in own_keys[1:]:
            parent[root(number[other])] = root(number[own_keys[0]])
    return lambda key: root(number[key])


def _clip_key(clip: Path | Clip) -> Path | str:
    return f"samples {clip.digest}" if isinstance(clip, Clip) else clip
