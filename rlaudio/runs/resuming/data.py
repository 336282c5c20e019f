"""Questions, labels and audio that a run began with, row by row."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rlaudio.runs import shapes
from rlaudio.runs.digests import NO_STAMP, Known, digests_of, file_stamp
from rlaudio.runs.files import read_json
from rlaudio.runs.folder import RunFolder
from rlaudio.runs.places import DATA, STAMPS
from rlaudio.types import Clip, Dataset, Question

logger = logging.getLogger(__name__)

_DIGITS = 12  # hexadecimal, of a row's digest: one changed row in 3e14 is missed
_PARTS = {"questions": "question", "labels": "label", "audio": "audio file"}  # of a row, and its words
_NOTHING: Mapping[str, Any] = {
    "rows": 0,
    **dict.fromkeys(_PARTS, ""),
    **dict.fromkeys((f"row_{part}" for part in _PARTS), ""),
}


def check_data(folder: RunFolder, sets: Mapping[str, Sequence[Question]]) -> None:
    """Refuse data that is not what the run began with; a new run records what it has.

    `sets` are the questions by name of their set. Compared are questions, labels, and names and contents of
    audio files; a folder of audio may move.
    Raises ValueError with the set, both numbers of rows and the first row that differs.
    """
    begun = read_json(folder.path / DATA, shapes.DATA)
    stamps = read_json(folder.path / STAMPS, shapes.STAMPS) or {}
    described = {
        name: _describe(questions, _known_rows(begun, stamps, name)) for name, questions in sets.items()
    }
    now = {name: of_set.facts for name, of_set in described.items()}
    if begun is None or not all(set(_NOTHING) <= set(of_set) for of_set in begun.values()):
        if begun:
            logger.warning("%s: written by an older rlaudio; data cannot be compared", folder.path / DATA)
        folder.write_json(DATA, now)
    else:
        _refuse_other_data(folder.path, begun, now, sets)
    rows = {name: of_set.stamps for name, of_set in described.items()}
    folder.write_json(STAMPS, stamps | {"data": rows})


# --- differences ---------------------------------------------------------------------------------


def _refuse_other_data(
    run: Path,
    begun: Mapping[str, Any],
    now: Mapping[str, Any],
    sets: Mapping[str, Sequence[Question]],
) -> None:
    differing = [
        f"{name}: {text}"
        for name, questions in sets.items()
        if (text := _data_difference(begun.get(name, _NOTHING), now[name], questions))
    ]
    if differing:
        raise ValueError(
            f"{run}: the data is not what the run began with:\n"
            + "".join(f"  {line}\n" for line in differing)
            + "put the data back as it was, or begin a new run with another --out"
        )


def _data_difference(
    begun: Mapping[str, Any], now: Mapping[str, Any], questions: Sequence[Question]
) -> str | None:
    """What differs in a set, as text; None where nothing does."""
    parts = []
    if begun["rows"] != now["rows"]:
        parts.append(f"{begun['rows']} rows at the beginning, {now['rows']} now")
    for key, what in _PARTS.items():
        if begun[key] != now[key]:
            parts.append(_first_difference(what, begun[f"row_{key}"], now[f"row_{key}"], questions))
            break  # rows in another order differ in their audio as well
    return "; ".join(parts) or None


def _first_difference(what: str, begun: str, now: str, questions: Sequence[Question]) -> str:
    before, after = _pieces(begun), _pieces(now)
    same = 0
    while same < min(len(before), len(after)) and before[same] == after[same]:
        same += 1
    changed = sum(a != b for a, b in zip(before, after, strict=False))
    if same == len(questions):
        return f"rows from {same + 1} on are missing"
    first = f"row {same + 1} (id {questions[same].id})"
    if same == len(before):
        return f"rows from {first} on are new"
    digests = f"digest {before[same]} at the beginning, {after[same]} now"
    return f"the {what} of {first} is another, the first of {changed}; {digests}"


def _pieces(digests: str) -> list[str]:
    return [digests[start : start + _DIGITS] for start in range(0, len(digests), _DIGITS)]


# --- what a set holds ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _KnownRows:
    """Digests of rows' audio as a run began, and stamps of their files when they were read, row by row."""

    audio: str
    stamps: str


@dataclass(frozen=True)
class _Described:
    """A set's entry in data.json, and the stamps of its rows' audio files."""

    facts: dict[str, Any]
    stamps: str


_NO_ROWS = _KnownRows("", "")


def _describe(questions: Sequence[Question], known: _KnownRows) -> _Described:
    contributions = Dataset.of(questions).contributions
    stated = (contributions.get(question.id) for question in questions)
    audio, stamps = _audio_of_rows(questions, known)
    rows = {
        "questions": [_digest(_question_facts(question)) for question in questions],
        "labels": [_digest(contribution and _values(contribution)) for contribution in stated],
        "audio": audio,
    }
    facts = {part: _digest(digests) for part, digests in rows.items()}
    of_rows = {f"row_{part}": "".join(digests) for part, digests in rows.items()}
    return _Described({"rows": len(questions), **facts, **of_rows}, "".join(stamps))


def _known_rows(begun: Mapping[str, Any] | None, stamps: Mapping[str, Any], name: str) -> _KnownRows:
    audio, of_set = ((begun or {}).get(name) or {}).get("row_audio", ""), stamps.get("data", {}).get(name, "")
    return _KnownRows(audio, of_set) if len(audio) == len(of_set) else _NO_ROWS


def _question_facts(question: Question) -> dict[str, Any]:
    return {name: value for name, value in _values(question).items() if name not in ("clips", "place")}


def _values(record: Any) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _audio_of_rows(questions: Sequence[Question], known: _KnownRows) -> tuple[list[str], list[str]]:
    """A digest over names and contents of each row's audio, and a stamp of its files.

    The files of rows whose stamp is known are not read.
    """
    files = dict.fromkeys(clip for q in questions for clip in q.clips if isinstance(clip, Path))
    of_files = {file: file_stamp(file) for file in files}
    stamps = [_stamp([of_files[clip] for clip in q.clips if isinstance(clip, Path)]) for q in questions]
    before = dict(enumerate(zip(_pieces(known.stamps), _pieces(known.audio), strict=True)))
    digests = {
        row: before[row][1]
        for row, stamp in enumerate(stamps)
        if stamp != NO_STAMP and row in before and before[row][0] == stamp
    }
    unknown = [question for row, question in enumerate(questions) if row not in digests]
    read = digests_of((clip for q in unknown for clip in q.clips if isinstance(clip, Path)), {})
    rest = (_digest([_clip_facts(clip, read) for clip in question.clips]) for question in unknown)
    return [digests[row] if row in digests else next(rest) for row in range(len(questions))], stamps


def _clip_facts(clip: Path | Clip, read: Mapping[Path, Known]) -> tuple[str, str]:
    """Name and content: a folder may move, its files may not change."""
    return ("", clip.digest) if isinstance(clip, Clip) else (clip.name, read[clip].digest)


def _stamp(stamps: Sequence[str]) -> str:
    return NO_STAMP if NO_STAMP in stamps else _digest(stamps)


def _digest(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=_DIGITS // 2).hexdigest()
