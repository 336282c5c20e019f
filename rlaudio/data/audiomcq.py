"""Questions from files in the format of AudioMCQ, its StrongAC subset and DCASE 2026 Task 5; and back again.

Fields: arXiv:2509.21060 and the data cards. Every file that rlaudio writes (the embedded world, questions
about recordings) is in this format too, so that all data is read by this file.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, cast, get_args

from rlaudio.data.audio_paths import AudioRoot
from rlaudio.data.rows import JsonRow, read_rows
from rlaudio.types import Contribution, ContributionLabel, Dataset, Question

logger = logging.getLogger(__name__)

LABELS_FILE = "labels.jsonl"  # measured contribution beside the data: rows {id, contribution, score, votes}

# Chains of thought are recognised by our own names for the fields, or by the tags inside them.
_COT_KEYS = {"structured_cot": "structured", "simple_cot": "simple", "gemini_cot": "gemini"}
_COT_TAGS = {"<stage1>": "structured", "<simple analysis>": "simple"}

_READ = {
    *("id", "question", "question_text", "choices", "multi_choice", "answer", "audio_path"),
    *("question_type", "source_dataset", "audio-contribution", "contribution_score"),
    *("text_answerable", "mechanism"),
}


def audiomcq(
    *,
    path: Path,
    audio_root: Path | None = None,
    outside_root: bool = False,
    limit: int | None = None,
    question_type: str | None = None,
    cot_structured_key: str | None = None,
    cot_simple_key: str | None = None,
) -> Dataset:
    """The questions of a .jsonl or .json file, or of a dataset folder, in the order of the files.

    A folder is read as AudioMCQ publishes it: everything under `datasets/`, or else `data.jsonl`.
    `audio_path` fields are relative to `audio_root` (by default the folder of the data), and a path that
    leaves it, also by a symbolic link, is an error unless `outside_root` is set. Of the questions of
    `question_type` (all types by default) the first `limit` come back, with the contribution that the data
    states. The names of the chain-of-thought
    fields differ between releases: without `cot_structured_key` and `cot_simple_key` they are recognised by
    their tags. A `labels.jsonl` beside a data file is merged; its labels replace those in the file.

    Raises FileNotFoundError, and ValueError with file and line for a row that is not in the format.
    Rows in the format that cannot be used (answer not among the choices) are found by `rlaudio.data.audit`.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit is {limit}; expected at least 1, or nothing for all questions")
    path = Path(path)
    folder = Path(audio_root) if audio_root else (path if path.is_dir() else path.parent)
    root = AudioRoot(folder, outside=outside_root)
    named = ((cot_structured_key, "structured"), (cot_simple_key, "simple"))
    cot_keys = {key: kind for key, kind in named if key}
    of_type = (
        pair
        for pair in _questions(path, root, cot_keys)
        if question_type in (None, pair[0].groups["category"])
    )
    pairs = list(islice(of_type, limit))
    if not pairs:
        types = sorted({question.groups["category"] for question, _ in _questions(path, root, cot_keys)})
        wanted = f"no questions of question_type {question_type!r}" if question_type else "no questions"
        raise ValueError(f"{path}: {wanted}; the types there are: {', '.join(types) or 'none, it is empty'}")
    for key, kind in cot_keys.items():
        if not any(kind in question.cot for question, _ in pairs):
            raise ValueError(f"{path}: no row has a text in the field {key!r}; expected chains of thought")
    contributions = {stated.question_id: stated for _, stated in pairs if stated}
    return Dataset(tuple(question for question, _ in pairs), contributions)


def write_audiomcq(questions: Iterable[Question], path: Path | str) -> None:
    """Write a .jsonl file that `audiomcq` reads back; audio below its folder gets a relative path.

    Audio elsewhere gets an absolute one, which is read back with `outside_root`, or with an `audio_root`
    above it (generated clips in rlaudio's cache without).
    The contributions of a `Dataset` are written with its questions. Raises ValueError for a question that is
    not a choice about one audio file.
    """
    contributions = questions.contributions if isinstance(questions, Dataset) else {}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        for question in questions:
            file.write(
                json.dumps(_fields(question, contributions.get(question.id), path.parent), ensure_ascii=False)
                + "\n"
            )
    temporary.replace(path)


def _data_files(path: Path) -> list[Path]:
    if path.is_file():
        if path.suffix not in (".jsonl", ".json"):
            raise ValueError(f'{path}: ends in "{path.suffix}"; expected .jsonl, .json or a folder of them')
        return [path]
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no such file or folder; expected questions as .jsonl or .json")
    published = [
        file
        for file in sorted((path / "datasets").rglob("*"))
        if file.suffix in (".jsonl", ".json") and file.name != LABELS_FILE
    ]
    if published:
        return published
    if (path / "data.jsonl").is_file():
        return [path / "data.jsonl"]
    here = ", ".join(sorted(file.name for file in path.glob("*.json*"))[:8]) or "no .jsonl or .json at all"
    raise FileNotFoundError(
        f"{path}: neither data files under datasets/ nor a data.jsonl; name one file (here: {here})"
    )


def _questions(
    path: Path, root: AudioRoot, cot_keys: Mapping[str, str]
) -> Iterator[tuple[Question, Contribution | None]]:
    for file in _data_files(path):
        labels = _read_labels(file.parent / LABELS_FILE)
        for row in read_rows(file):
            question = _question(row, root, cot_keys)
            yield question, _contribution(row, labels.get(question.id))


def _question(row: JsonRow, root: AudioRoot, cot_keys: Mapping[str, str]) -> Question:
    cot = _chains_of_thought(row.fields, cot_keys)
    groups = {
        "category": row.text("question_type", default="unknown"),
        "source": row.text("source_dataset", default="unknown"),
    }
    mechanism = row.text("mechanism", default="")
    return Question.multiple_choice(
        row.text("id"),
        row.text("question", "question_text"),
        row.texts("choices", "multi_choice"),
        row.text("answer"),
        root.path(row.text("audio_path"), row.where),
        groups=groups | ({"mechanism": mechanism} if mechanism else {}),
        text_answerable=row.flag("text_answerable"),
        cot=dict(cot.values()),
        extra={key: value for key, value in row.fields.items() if key not in _READ and key not in cot},
    )


def _contribution(row: JsonRow, measured: JsonRow | None) -> Contribution | None:
    """What a labels file says of the question, or else the row itself."""
    label, score = _label(row, "audio-contribution"), row.number("contribution_score")
    if measured is None:
        return Contribution(row.text("id"), label, score) if label else None
    label = _label(measured, "contribution") or label
    if label is None:
        return None
    return Contribution(
        question_id=row.text("id"),
        label=label,
        score=measured.number("score") if "score" in measured.fields else score,
        method=measured.text("rule", default="given"),
        votes=measured.fields.get("votes", {}),
    )


def _label(row: JsonRow, name: str) -> ContributionLabel | None:
    value = row.fields.get(name)
    if value in (None, ""):
        return None
    if value not in get_args(ContributionLabel):
        raise ValueError(f'{row.where}: "{name}" is {value!r}; expected "weak", "strong" or nothing')
    return cast(ContributionLabel, value)


def _chains_of_thought(fields: Mapping[str, Any], named: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Field -> (kind, text), at most one field of each kind: structured, simple, gemini."""
    chains: dict[str, tuple[str, str]] = {}
    for key, value in fields.items():
        if key in _READ or not isinstance(value, str):
            continue
        by_tag = (kind for tag, kind in _COT_TAGS.items() if tag in value and kind not in named.values())
        kind = named.get(key) or _COT_KEYS.get(key) or next(by_tag, None)
        if kind and all(kind != other for other, _ in chains.values()):
            chains[key] = (kind, _close_tags(value))
    return chains


def _close_tags(text: str) -> str:
    """The paper's figure closes `<stage1>` by a second `<stage1>`; a Question always has `</stage1>`."""
    unclosed = r"<(stage\d|simple analysis)>((?:(?!</?\1>).)*)<\1>"
    return re.sub(unclosed, r"<\1>\2</\1>", text, flags=re.DOTALL)


def _read_labels(path: Path) -> dict[str, JsonRow]:
    """Measured labels by question id; the last row of an id is used."""
    if not path.is_file():
        return {}
    labels = {row.text("id"): row for row in read_rows(path)}
    logger.info("%s: audio contribution of %d questions", path, len(labels))
    return labels


def _fields(question: Question, stated: Contribution | None, folder: Path) -> dict[str, Any]:
    if len(question.clips) != 1 or not isinstance(question.clips[0], Path) or not question.choices:
        raise ValueError(
            f"question {question.id} has {len(question.clips)} clips and {len(question.choices)} options; "
            "expected one audio file and options: AudioMCQ's format holds nothing else"
        )
    fields = {
        "source_dataset": question.groups.get("source"),
        "id": question.id,
        "question_type": question.groups.get("category"),
        "audio_path": _relative(question.clips[0], folder),
        "question": question.question,
        "answer": question.answer,
        "choices": list(question.choices),
        "audio-contribution": stated.label if stated else None,
        "contribution_score": stated.score if stated else None,
        "text_answerable": question.text_answerable,
        "mechanism": question.groups.get("mechanism"),
    }
    cot = {key: question.cot[kind] for key, kind in _COT_KEYS.items() if kind in question.cot}
    return {key: value for key, value in fields.items() if value is not None} | cot | dict(question.extra)


def _relative(audio_path: Path, folder: Path) -> str:
    absolute = audio_path.absolute()
    below = absolute.is_relative_to(folder.absolute())
    return (absolute.relative_to(folder.absolute()) if below else absolute).as_posix()
