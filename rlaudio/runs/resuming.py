"""What must be the same when a run is resumed, and what should be.

Another recipe, other data or another number of processes are refused, with what differs and both values:
the run's numbers would belong to neither. Other versions and changed plug-ins only give a warning.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rlaudio.runs.files import read_json
from rlaudio.runs.folder import DATA, PLUGINS, RECIPE, VERSIONS, RunFolder
from rlaudio.runs.versions import versions
from rlaudio.types import Clip, Contribution, Dataset, Question

logger = logging.getLogger(__name__)

# keys of a recipe that may differ: of the first two the values at the beginning are used
FREE = ("name", "threads", "reward_timeout")
_SHOWN = 8  # differences in a message
_DIGITS = 12  # hexadecimal, of a row's digest: one changed row in 3e14 is missed


def check_recipe(run: Path, begun: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Refuse a recipe that says something else than that which the run in the folder began with.

    Both are nested maps of plain values. Raises ValueError that names every key that differs with both
    values.
    """
    differing = list(_differences(_flat(begun), _flat(given)))
    if differing:
        more = len(differing) - _SHOWN
        lines = [*differing[:_SHOWN], *([f"and {more} more keys"] if more > 0 else [])]
        raise ValueError(
            f"{run}: the run began with another recipe:\n"
            + "".join(f"  {line}\n" for line in lines)
            + f"resume with the recipe in the folder ({run / RECIPE}); to go on with other settings "
            "begin a new run from its weights: another --out and -o model.path=CHECKPOINT/model, one of "
            f"those in {run / 'checkpoints'}"
        )


def check_data(folder: RunFolder, sets: Mapping[str, Sequence[Question]]) -> None:
    """Refuse data that is not what the run began with; a new run records what it has.

    `sets` are the questions by name of their set. Compared are the questions and the names and sizes of
    their audio files. Raises ValueError with the set, both numbers of rows and the first row that differs.
    """
    now = {name: describe_questions(questions) for name, questions in sets.items()}
    begun = read_json(folder.path / DATA)
    if begun is None:
        folder.write_json(DATA, now)
        return
    differing = [
        f"{name}: {text}"
        for name, questions in sets.items()
        if (text := _data_difference(begun.get(name, _NOTHING), now[name], questions))
    ]
    if differing:
        raise ValueError(
            f"{folder.path}: the data is not what the run began with:\n"
            + "".join(f"  {line}\n" for line in differing)
            + "put the data back as it was, or begin a new run with another --out"
        )


def describe_questions(questions: Sequence[Question]) -> dict[str, Any]:
    """What data.json says of a set: how many rows, a digest over all, and a short one of every row."""
    contributions = Dataset.of(questions).contributions
    texts = [_digest(_question_facts(question, contributions.get(question.id))) for question in questions]
    audio = [_digest(facts) for facts in _audio_facts(questions)]
    return {
        "rows": len(questions),
        "questions": _digest(texts),
        "audio": _digest(audio),
        "row_questions": "".join(texts),
        "row_audio": "".join(audio),
    }


def check_world(folder: RunFolder) -> None:
    """Refuse to continue a run with another number of processes; other versions are warned of.

    Raises ValueError with both numbers.
    """
    run, now = folder.path, versions()
    begun = read_json(run / VERSIONS)
    if begun is None:  # the run was killed before it wrote the file
        folder.write_json(VERSIONS, now)
        return
    before, size = begun.get("processes"), now["processes"]
    if before not in (None, size):
        raise ValueError(
            f"{run}: the run began with {before} processes and is resumed with {size}; each keeps its part "
            f"of the optimizer's state; start {before}, or begin a new run with another --out"
        )
    differing = [
        f"{name} {begun[name]} -> {value}" for name, value in now.items() if begun.get(name, value) != value
    ]
    if differing:
        logger.warning(
            "%s: resumed under other versions than it began with, so its numbers may differ from those of an "
            "unbroken run: %s",
            run,
            "; ".join(differing),
        )


def check_plugins(folder: RunFolder, files: Sequence[Path]) -> None:
    """Warn of the user's plug-ins that changed since the run began; new ones are recorded.

    They are not refused: after a fault in one is fixed the run can be resumed.
    """
    if changed := changed_plugins(folder.path):
        logger.warning(
            "%s: changed since the run began: %s; what the run has computed so far comes from the old file; "
            "for one file from first to last put the old one back, or begin a new run with another --out",
            folder.path,
            ", ".join(changed),
        )
    begun = read_json(folder.path / PLUGINS) or {}
    new = {str(file): _file_digest(file) for file in files if str(file) not in begun}
    if new:
        folder.write_json(PLUGINS, begun | new)


def changed_plugins(run: Path) -> list[str]:
    """The user's plug-ins that are not what they were when the run in the folder began."""
    begun = read_json(run / PLUGINS) or {}
    return [file for file, digest in begun.items() if _file_digest(Path(file)) != digest]


# --- differences ---------------------------------------------------------------------------------

_NOTHING: Mapping[str, Any] = {"rows": 0, "questions": "", "audio": "", "row_questions": "", "row_audio": ""}
_ABSENT = "nothing"


def _flat(values: Any, prefix: str = "") -> dict[str, Any]:
    """Nested maps as one, its keys joined by dots."""
    if not isinstance(values, Mapping) or not values:
        return {prefix: values}
    return {
        key: value
        for name, entry in values.items()
        for key, value in _flat(entry, f"{prefix}.{name}" if prefix else str(name)).items()
    }


def _differences(begun: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[str]:
    for key in [*begun, *(key for key in given if key not in begun)]:
        before, now = begun.get(key, _ABSENT), given.get(key, _ABSENT)
        if before != now and key not in FREE:
            yield f"{key}: it began with {_value(before)}, now it is {_value(now)}"


def _value(value: Any) -> str:
    return value if value == _ABSENT else json.dumps(value, ensure_ascii=False, default=str)


def _data_difference(
    begun: Mapping[str, Any], now: Mapping[str, Any], questions: Sequence[Question]
) -> str | None:
    """What differs in a set, as text; None where nothing does."""
    parts = []
    if begun["rows"] != now["rows"]:
        parts.append(f"{begun['rows']} rows at the beginning, {now['rows']} now")
    for what, key in (("question", "questions"), ("audio file", "audio")):
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
    return f"the {what} of {first} is another, the first of {changed}"


def _pieces(digests: str) -> list[str]:
    return [digests[start : start + _DIGITS] for start in range(0, len(digests), _DIGITS)]


def _question_facts(question: Question, stated: Contribution | None) -> dict[str, Any]:
    facts = {name: value for name, value in vars(question).items() if name != "clips"}
    return facts | {"contribution": stated and vars(stated)}


def _audio_facts(questions: Sequence[Question]) -> Iterator[tuple[str, int]]:
    """Name and bytes of every question's audio file: a folder may move, its files may not change."""
    sizes: dict[Path, int] = {}
    for question in questions:
        for clip in question.clips:
            if isinstance(clip, Clip):
                yield clip.digest, clip.samples.nbytes
                continue
            if clip not in sizes:
                sizes[clip] = clip.stat().st_size
            yield clip.name, sizes[clip]


def _file_digest(file: Path) -> str | None:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None


def _digest(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=_DIGITS // 2).hexdigest()
