"""Rollouts as a run folder stores them: every record of a step's groups as one line of JSON, and back.

A line holds a whole group: question, prompt without features, completions segment by segment, rewards, and
what the step made of them: advantages and signals of every sampled token. Clips that were given as samples
lie in files beside it, see rlaudio.runs.waveforms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rlaudio.runs.files import Json, plain
from rlaudio.runs.waveforms import waveform_name
from rlaudio.types import (
    Absent,
    Check,
    Choice,
    Clip,
    Completion,
    Group,
    HeardClip,
    OpenText,
    Prompt,
    Question,
    RewardFailure,
    ScoredGroup,
    Segment,
    Target,
)

_TARGETS: Mapping[str, type[Choice | OpenText | Check]] = {
    "choice": Choice,
    "open": OpenText,
    "check": Check,
}
ReadClip = Callable[[str], np.ndarray | Path]  # samples, or where they are, by the name of the file
_Signals = Mapping[str, np.ndarray]  # each [S], of the sampled tokens of a completion


@dataclass(frozen=True, eq=False)
class LearnedGroup:
    """A scored group and what the step that sampled it learned from it; nothing where it was left out."""

    scored: ScoredGroup
    advantages: tuple[np.ndarray | None, ...] = ()  # of each completion [S], None: dropped
    signals: tuple[_Signals, ...] = field(default=())  # of each completion: reference, silence, values, ...
    contribution: float | None = None  # of the audio to the question, as the policy shows it at that step


def to_json(learned: LearnedGroup) -> Json:
    """The group as one JSON object."""
    scored = learned.scored
    prompt = scored.group.prompt
    return {
        "question": question_to_json(prompt.question),
        "prompt": {
            "token_ids": prompt.token_ids,
            "positions": prompt.positions,
            "clips": [asdict(clip) for clip in prompt.clips],
        },
        "completions": [_completion_to_json(c) for c in scored.group.completions],
        "rewards": dict(scored.rewards),
        "weights": dict(scored.weights),
        "total": scored.total,
        "failures": [asdict(failure) for failure in scored.failures],
        "advantages": [None if a is None else shortest_decimals(a) for a in learned.advantages],
        "signals": [{name: shortest_decimals(v) for name, v in s.items()} for s in learned.signals],
        "contribution": learned.contribution,
    }


def from_json(row: Json, read: ReadClip | None = None) -> LearnedGroup:
    """The group that `to_json` wrote, its prompt without features. Raises KeyError for another object.

    `read` gives the samples of clips that were given as samples, or their file; without it these are left
    out.
    """
    question = question_from_json(row["question"], read)
    prompt = Prompt(
        question=question,
        token_ids=np.array(row["prompt"]["token_ids"], dtype=np.int64),
        positions=np.array(row["prompt"]["positions"], dtype=np.int64),
        clips=tuple(HeardClip(**clip) for clip in row["prompt"]["clips"]),
        features=Absent.STORED,
    )
    completions = tuple(_completion_from_json(completion, read) for completion in row["completions"])
    scored = ScoredGroup(
        group=Group(prompt, completions),
        rewards={name: _floats(values) for name, values in row["rewards"].items()},
        total=_floats(row["total"]),
        failures=tuple(RewardFailure(**failure) for failure in row["failures"]),
        weights=row["weights"],
    )
    return LearnedGroup(
        scored,
        tuple(None if a is None else np.array(a, dtype=np.float32) for a in row["advantages"]),
        tuple({name: np.array(v, dtype=np.float32) for name, v in s.items()} for s in row["signals"]),
        row["contribution"],
    )


def question_to_json(question: Question) -> Json:
    """A question as JSON."""
    kind = next(name for name, target in _TARGETS.items() if isinstance(question.target, target))
    return {
        "id": question.id,
        "question": question.question,
        "clips": [_clip_to_json(clip) for clip in question.clips],
        "target": {"kind": kind, **asdict(question.target)},
        "groups": dict(question.groups),
        "text_answerable": question.text_answerable,
        "cot": dict(question.cot),
        "style": question.style,
        "extra": plain(question.extra),
    }


def question_from_json(row: Json, read: ReadClip | None = None) -> Question:
    """The question that `question_to_json` wrote; without `read` less clips that were given as samples."""
    return Question(
        id=row["id"],
        question=row["question"],
        clips=_clips_from_json(row["clips"], read),
        target=_target(**row["target"]),
        groups=row["groups"],
        text_answerable=row["text_answerable"],
        cot=row["cot"],
        style=row.get("style"),
        extra=row.get("extra", {}),  # not kept by earlier versions
    )


def shortest_decimals(values: np.ndarray) -> list[float]:
    """The fewest digits that still give the same float32 back: half the size of a float64's digits."""
    return [float(str(value)) for value in values.astype(np.float32)]


# --- helpers -------------------------------------------------------------------------------------


def _target(kind: str, **fields: Any) -> Target:
    if kind == "choice":
        fields["options"] = tuple(fields["options"])
    return _TARGETS[kind](**fields)


def _completion_to_json(completion: Completion) -> Json:
    return {
        "stop_reason": completion.stop_reason,
        "weights_version": completion.weights_version,
        "segments": [_segment_to_json(segment) for segment in completion.segments],
    }


def _segment_to_json(segment: Segment) -> Json:
    return {
        "text": segment.text,
        "token_ids": segment.token_ids,
        "token_texts": list(segment.token_texts),
        "logprobs": None if segment.logprobs is None else shortest_decimals(segment.logprobs),
        "support": segment.support,
        **({"clips": [_clip_to_json(clip) for clip in segment.clips]} if segment.clips else {}),
    }


def _clip_to_json(clip: Path | Clip) -> Json:
    if isinstance(clip, Path):
        return {"path": str(clip)}
    stated = {"digest": clip.digest, "truncated": clip.truncated, "notes": list(clip.notes)}
    return {**stated, "sample_rate_hz": clip.sample_rate_hz, "file": waveform_name(clip)}


def _clips_from_json(rows: Sequence[Json], read: ReadClip | None) -> tuple[Path | Clip, ...]:
    """The clips, less those whose samples were not kept, as by earlier versions, or cannot be read here."""
    return tuple(
        _clip_from_json(row, read) if read and "file" in row else Path(row["path"])
        for row in rows
        if "path" in row or (read and "file" in row)
    )


def _clip_from_json(row: Json, read: ReadClip) -> Path | Clip:
    samples = read(row["file"])
    if isinstance(samples, Path):
        return samples
    return Clip(samples, row["digest"], row["truncated"], row["sample_rate_hz"], tuple(row["notes"]))


def _completion_from_json(row: Json, read: ReadClip | None) -> Completion:
    segments = tuple(_segment_from_json(segment, read) for segment in row["segments"])
    return Completion(segments, row["stop_reason"], row["weights_version"])


def _segment_from_json(row: Json, read: ReadClip | None) -> Segment:
    return Segment(
        token_ids=np.array(row["token_ids"], dtype=np.int64),
        logprobs=None if row["logprobs"] is None else np.array(row["logprobs"], dtype=np.float32),
        text=row["text"],
        token_texts=tuple(row["token_texts"]),
        support=None if row["support"] is None else _support(row["support"]),
        clips=_clips_from_json(row.get("clips", ()), read),  # few have any
    )


def _support(rows: Sequence[Sequence[int]]) -> np.ndarray:
    """Support [C, K] int64, of no token [0, 0]."""
    return np.array(rows, dtype=np.int64).reshape(len(rows), len(rows[0]) if rows else 0)


def _floats(values: Sequence[float | None]) -> np.ndarray:
    """Numbers [G] float64; those that are not finite were written as null and come back as NaN."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
