"""What must be the same when a run is resumed, and what should be.

Another recipe, other data, models or plug-ins, another number of processes are refused, with what differs and
both values: the run's numbers would belong to neither. Other versions only give a warning, and so do changed
plug-ins that were accepted. Keys of the recipe that enter no results are taken as they are given.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlaudio.runs import shapes
from rlaudio.runs.digests import NO_STAMP, Known, digests_of, file_stamp, short_digest
from rlaudio.runs.files import read_json, write_json, write_text
from rlaudio.runs.folder import DATA, INPUTS, PLUGINS, RECIPE, STAMPS, VERSIONS, RunFolder, computed_nothing
from rlaudio.runs.versions import versions
from rlaudio.types import Clip, Dataset, Question

logger = logging.getLogger(__name__)

_SHOWN = 8  # differences in a message
_DIGITS = 12  # hexadecimal, of a row's digest: one changed row in 3e14 is missed


def begun_recipe(run: Path) -> dict[str, Any] | None:
    """The recipe that the run in the folder goes by, as plain values; None where it has kept none."""
    return (read_json(run / INPUTS, shapes.INPUTS) or {}).get("recipe")


def keep_recipe(run: Path, values: Mapping[str, Any], recipe_yaml: str) -> None:
    """Have the run in the folder go by this recipe: as plain values to compare with, and as recipe.yaml."""
    inputs = read_json(run / INPUTS, shapes.INPUTS) or {}
    if inputs.get("recipe") == values:
        return
    if (run / RECIPE).read_text(encoding="utf-8") != recipe_yaml:
        write_text(run / RECIPE, recipe_yaml)
    write_json(run / INPUTS, {**inputs, "recipe": values})


def check_recipe(
    run: Path,
    begun: Mapping[str, Any],
    given: Mapping[str, Any],
    *,
    free: Mapping[str, str],
    edited: Path | None = None,
) -> None:
    """Refuse a recipe that says something else than that which the run in the folder began with.

    Both are nested maps of plain values. Keys of `free` may differ and are logged: "rounding" are those that
    change the last digits of results, "nothing" those that enter no results. `edited` names the file that
    `given` was read from, if that is the run's own.
    Raises ValueError that names every other key that differs with both values.
    """
    differing = list(_differences(_flat(begun), _flat(given)))
    refused = [difference for difference in differing if difference.key not in free]
    if refused:
        more = len(refused) - _SHOWN
        lines = [*map(str, refused[:_SHOWN]), *([f"and {more} more keys"] if more > 0 else [])]
        what = f"{edited} was changed since the run began" if edited else "the run began with another recipe"
        advice = "put the values back" if edited else f"resume with the recipe in the folder ({run / RECIPE})"
        raise ValueError(
            f"{run}: {what}:\n"
            + "".join(f"  {line}\n" for line in lines)
            + f"{advice}; to go on with other settings begin a new run from its weights: another --out and "
            f"-o model.path=CHECKPOINT/model, one of those in {run / 'checkpoints'}"
        )
    for difference in differing:
        if free[difference.key] == "rounding":
            logger.warning(
                "%s: resumed with another %s; it changes rounding, so numbers may differ from those of an "
                "unbroken run in their last digits",
                run,
                difference,
            )
        else:
            logger.info("%s: resumed with another %s; it enters no results", run, difference)


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


def check_models(folder: RunFolder, models: Mapping[str, Path]) -> None:
    """Refuse model folders whose files are not what the run began with; a new run records them.

    `models` are the folders by the recipe's key that names them. Files in subfolders are left out.
    Raises ValueError with key, folder and file.
    """
    inputs = read_json(folder.path / INPUTS, shapes.INPUTS) or {}
    stamps = read_json(folder.path / STAMPS, shapes.STAMPS) or {}
    begun: Mapping[str, Any] | None = inputs.get("models")
    known = {
        models[key] / file: Known(digest, stamps.get("models", {}).get(key, {}).get(file, NO_STAMP))
        for key, files in (begun or {}).items()
        if key in models
        for file, digest in files.items()
    }
    files = {key: [f for f in sorted(path.iterdir()) if f.is_file()] for key, path in models.items()}
    read = digests_of([file for of_model in files.values() for file in of_model], known)
    now = {key: {f.name: read[f].digest for f in of_model} for key, of_model in files.items()}
    if begun is None:
        folder.write_json(INPUTS, {**inputs, "models": now})
    elif changed := list(_changed_files(begun, now, models)):
        raise ValueError(
            f"{folder.path}: a model is not what the run began with:\n"
            + "".join(f"  {line}\n" for line in changed[:_SHOWN])
            + "put its files back as they were, or begin a new run with another --out"
        )
    folder.write_json(
        STAMPS, stamps | {"models": {k: {f.name: read[f].stamp for f in of} for k, of in files.items()}}
    )


def check_world(folder: RunFolder) -> None:
    """Refuse to continue a run with another number of processes; other versions are warned of.

    Raises ValueError with both numbers.
    """
    run, now = folder.path, versions()
    begun = read_json(run / VERSIONS, shapes.MAP)
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
    """Refuse files of the user, plug-ins and their helpers, that a run did not begin with; records new ones.

    Those that were accepted are warned of. A run that has computed nothing begins with the files as they are.
    Raises ValueError with each file.
    """
    run, begun = folder.path, read_json(folder.path / PLUGINS, shapes.PLUGINS) or {}
    if computed_nothing(run):
        begun = {}
    digests = {file: _file_digest(Path(file)) for file in begun}
    accepted = (read_json(run / INPUTS, shapes.INPUTS) or {}).get("plugins", {})
    changed = [file for file, digest in digests.items() if digest != begun[file]]
    if refused := [file for file in changed if digests[file] != accepted.get(file, begun[file])]:
        both = [(file, *(short_digest(d[file], _ABSENT) for d in (begun, digests))) for file in refused]
        raise ValueError(
            f"{run}: plug-ins, or files that they import, are not what the run began with:\n"
            + "".join(f"  {file}: it began with {was}, now it is {now}\n" for file, was, now in both)
            + "put the files back as they were, or begin a new run with another --out; where a fault "
            "was mended that did not spoil what is done, add --changed-plugins"
        )
    if changed:
        logger.warning(
            "%s: changed since the run began: %s; what the run has computed so far comes from the old file; "
            "for one file from first to last put the old one back, or begin a new run with another --out",
            run,
            ", ".join(changed),
        )
    now = begun | {str(file): _file_digest(file) for file in files if str(file) not in begun}
    if now != begun:
        folder.write_json(PLUGINS, now)


def accept_plugins(run: Path) -> None:
    """Have the run in the folder go on with the files of the user's plug-ins as they are now."""
    if changed := changed_plugins(run):
        inputs = read_json(run / INPUTS, shapes.INPUTS) or {}
        write_json(run / INPUTS, {**inputs, "plugins": {f: _file_digest(Path(f)) for f in changed}})


def changed_plugins(run: Path) -> list[str]:
    """The user's plug-ins that are not what they were when the run in the folder began."""
    begun = read_json(run / PLUGINS, shapes.PLUGINS) or {}
    return [file for file, digest in begun.items() if _file_digest(Path(file)) != digest]


# --- differences ---------------------------------------------------------------------------------

_PARTS = {"questions": "question", "labels": "label", "audio": "audio file"}  # of a row, and its words
_NOTHING: Mapping[str, Any] = {
    "rows": 0,
    **dict.fromkeys(_PARTS, ""),
    **dict.fromkeys((f"row_{part}" for part in _PARTS), ""),
}
_ABSENT = "nothing"


@dataclass(frozen=True)
class _Difference:
    """A key of two recipes with both values."""

    key: str
    before: Any
    now: Any

    def __str__(self) -> str:
        return f"{self.key}: it began with {_value(self.before)}, now it is {_value(self.now)}"


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


def _flat(values: Any, prefix: str = "") -> dict[str, Any]:
    """Nested maps as one, its keys joined by dots."""
    if not isinstance(values, Mapping) or not values:
        return {prefix: values}
    return {
        key: value
        for name, entry in values.items()
        for key, value in _flat(entry, f"{prefix}.{name}" if prefix else str(name)).items()
    }


def _differences(begun: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[_Difference]:
    for key in [*begun, *(key for key in given if key not in begun)]:
        before, now = begun.get(key, _ABSENT), given.get(key, _ABSENT)
        if before != now:
            yield _Difference(key, before, now)


def _value(value: Any) -> str:
    return value if value == _ABSENT else json.dumps(value, ensure_ascii=False, default=str)


def _changed_files(
    begun: Mapping[str, Mapping[str, str]], now: Mapping[str, Mapping[str, str]], models: Mapping[str, Path]
) -> Iterator[str]:
    for key in dict.fromkeys([*begun, *now]):
        before, after = begun.get(key, {}), now.get(key, {})
        where = models.get(key, "not named any more")
        for file in dict.fromkeys([*before, *after]):
            if before.get(file) != after.get(file):
                was, is_now = (short_digest(digests.get(file), _ABSENT) for digests in (before, after))
                yield f"{key} ({where}): {file}: it began with {was}, now it is {is_now}"


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


def _describe(questions: Sequence[Question], known: _KnownRows) -> _Described:
    contributions = Dataset.of(questions).contributions
    stated = (contributions.get(question.id) for question in questions)
    audio, stamps = _audio_of_rows(questions, known)
    rows = {
        "questions": [_digest(_question_facts(question)) for question in questions],
        "labels": [_digest(contribution and vars(contribution)) for contribution in stated],
        "audio": audio,
    }
    facts = {part: _digest(digests) for part, digests in rows.items()}
    of_rows = {f"row_{part}": "".join(digests) for part, digests in rows.items()}
    return _Described({"rows": len(questions), **facts, **of_rows}, "".join(stamps))


def _known_rows(begun: Mapping[str, Any] | None, stamps: Mapping[str, Any], name: str) -> _KnownRows:
    audio, of_set = ((begun or {}).get(name) or {}).get("row_audio", ""), stamps.get("data", {}).get(name, "")
    return _KnownRows(audio, of_set) if len(audio) == len(of_set) else _NO_ROWS


def _question_facts(question: Question) -> dict[str, Any]:
    return {name: value for name, value in vars(question).items() if name not in ("clips", "place")}


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


def _file_digest(file: Path) -> str | None:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None


def _digest(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=_DIGITS // 2).hexdigest()
