"""Questions from files in the format of AudioMCQ, its StrongAC subset and DCASE 2026 Task 5; and back again.

Fields: arXiv:2509.21060 and the data cards. Every file that rlaudio writes (the embedded world, questions
about recordings) is in this format too, so that all data is read by this file.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, cast, get_args

from rlaudio.data.audio_paths import AudioRoot, OutsideRootError
from rlaudio.data.bad_rows import BadRow, refuse_or_list
from rlaudio.data.rows import JsonRow, gather, scan_rows
from rlaudio.types import Contribution, ContributionLabel, Dataset, Question
from rlaudio.utils.messages import printable

logger = logging.getLogger(__name__)

_LabelledQuestion = tuple[str, str | None]  # id, and digest of its text where the labels say it

LABELS_FILE = "labels.jsonl"  # measured contribution beside the data: rows {id, contribution, score, votes}

# Chains of thought are recognised by our own names for the fields, or by the tags inside them.
_COT_KEYS = {"structured_cot": "structured", "simple_cot": "simple", "gemini_cot": "gemini"}
_COT_TAGS = {"<stage1>": "structured", "<simple analysis>": "simple"}

_BAD_LABEL = "malformed label"

# What file systems of Linux and macOS allow, in bytes.
_LONGEST_NAME = 255
_LONGEST_PATH = 4096
_CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029]"
)  # in a path they would spoil every message about it

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
    states. The names of the chain-of-thought fields differ between releases: without `cot_structured_key` and
    `cot_simple_key` they are recognised by their tags. A `labels.jsonl` beside a data file is merged; its
    labels replace those in the file.

    Raises FileNotFoundError, and ValueError that counts the rows that are not in the format and names the
    first few by file and line; within `rlaudio.data.bad_rows.listing_bad_rows` they are listed instead.
    Rows in the format that cannot be used (answer not among the choices) are found by `rlaudio.data.audit`.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit is {limit}; expected at least 1, or nothing for all questions")
    path = Path(path)
    folder = Path(audio_root) if audio_root else (path if path.is_dir() else path.parent)
    root = AudioRoot(folder, outside=outside_root)
    named = ((cot_structured_key, "structured"), (cot_simple_key, "simple"))
    cot_keys = {key: kind for key, kind in named if key}
    read, bad_rows, types = _select(_rows(path, root, cot_keys), limit, question_type)
    refuse_or_list(bad_rows, printable(str(path)))
    if not read and not bad_rows:
        wanted = f"no questions of question_type {question_type!r}" if question_type else "no questions"
        there = ", ".join(sorted(types)) or "none, it is empty"
        raise ValueError(f"{printable(str(path))}: {wanted}; the types there are: {there}")
    for key, kind in cot_keys.items():
        if read and not any(kind in row.question.cot for row in read):
            raise ValueError(f"{path}: no row has a text in the field {key!r}; expected chains of thought")
    contributions = {row.question.id: row.stated for row in read if row.stated}
    return Dataset(tuple(row.question for row in read), contributions)


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


@dataclass(frozen=True)
class _Row:
    """A row in the format."""

    question: Question
    stated: Contribution | None


def _select(
    rows: Iterable[_Row | BadRow], limit: int | None, question_type: str | None
) -> tuple[list[_Row], list[BadRow], set[str]]:
    """The first `limit` rows of the type, the bad rows up to there, and the types that were seen."""
    selected, bad_rows, types = [], [], set()
    for row in rows:
        if isinstance(row, BadRow):
            bad_rows.append(row)
            continue
        types.add(row.question.groups["category"])
        if question_type in (None, row.question.groups["category"]):
            selected.append(row)
            if len(selected) == limit:
                break
    return selected, bad_rows, types


def _data_files(path: Path) -> list[Path]:
    if path.exists() and not path.is_dir():
        if path.suffix not in (".jsonl", ".json"):
            raise ValueError(f'{path}: ends in "{path.suffix}"; expected .jsonl, .json or a folder of them')
        return [path]
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no such file or folder; expected questions as .jsonl or .json")
    published = [
        file
        for file in sorted((path / "datasets").rglob("*"))
        if file.suffix in (".jsonl", ".json") and file.name != LABELS_FILE and not file.is_dir()
    ]
    if published:
        return published
    if (path / "data.jsonl").is_file():
        return [path / "data.jsonl"]
    here = ", ".join(sorted(file.name for file in path.glob("*.json*"))[:8]) or "no .jsonl or .json at all"
    raise FileNotFoundError(
        f"{path}: neither data files under datasets/ nor a data.jsonl; name one file (here: {here})"
    )


def _rows(path: Path, root: AudioRoot, cot_keys: Mapping[str, str]) -> Iterator[_Row | BadRow]:
    """Every row of the data, and the bad rows of the labels beside it."""
    labels: dict[Path, _LabelsFile] = {}
    for file in _data_files(path):
        beside = file.parent / LABELS_FILE
        if beside not in labels:
            labels[beside] = _read_labels_file(beside)
            yield from labels[beside].bad_rows
        for row in scan_rows(file):
            if isinstance(row, BadRow):
                yield row
            else:
                yield from _read(row, root, cot_keys, labels[beside])
    for beside, measured in labels.items():
        measured.log_use(beside)


def _read(
    row: JsonRow, root: AudioRoot, cot_keys: Mapping[str, str], labels: _LabelsFile
) -> Iterator[_Row | BadRow]:
    values, errors = gather(
        {
            "id": partial(row.text, "id"),
            "question": partial(row.text, "question", "question_text"),
            "choices": partial(row.texts, "choices", "multi_choice"),
            "answer": partial(row.text, "answer", empty=True),  # an option may be empty
            "clip": partial(_clip, row, root),
            "category": partial(row.text, "question_type", default="unknown"),
            "source": partial(row.text, "source_dataset", default="unknown"),
            "mechanism": partial(row.text, "mechanism", default=""),
            "text_answerable": partial(row.flag, "text_answerable"),
            "label": partial(_label, row, "audio-contribution"),
            "score": partial(row.number, "contribution_score"),
        }
    )
    for error in errors:
        yield from row.bad([error.fault], error.kind)
    if errors:
        return
    question = _question(row, values, cot_keys)
    stated = {"label": values["label"], "score": values["score"], **labels.of(question)}
    yield _Row(question, Contribution(question.id, **stated) if stated["label"] else None)


def _question(row: JsonRow, values: Mapping[str, Any], cot_keys: Mapping[str, str]) -> Question:
    cot = _chains_of_thought(row.fields, cot_keys)
    groups = ("category", "source", *(["mechanism"] if values["mechanism"] else []))
    return Question.multiple_choice(
        values["id"],
        values["question"],
        values["choices"],
        values["answer"],
        values["clip"],
        groups={group: values[group] for group in groups},
        text_answerable=values["text_answerable"],
        cot=dict(cot.values()),
        extra={key: value for key, value in row.fields.items() if key not in _READ and key not in cot},
        place=row.where,
    )


def _clip(row: JsonRow, root: AudioRoot) -> Path:
    name = row.text("audio_path")
    parts = [len(part.encode()) for part in name.split("/")]
    if _CONTROL.search(name) or max(parts) > _LONGEST_NAME or sum(parts) > _LONGEST_PATH:
        expected = (
            f"a path without control characters, of names of at most {_LONGEST_NAME} bytes, "
            f"{_LONGEST_PATH} in all"
        )
        raise row.wrong("audio_path", name, expected)
    try:
        return root.path(name)
    except OutsideRootError as error:
        raise row.wrong("audio_path", name, str(error), "audio outside the root") from error
    except ValueError as error:
        raise row.wrong("audio_path", name, str(error)) from error


def _label(row: JsonRow, name: str) -> ContributionLabel | None:
    value = row.fields.get(name)
    if value is None or value == "":
        return None
    if value not in get_args(ContributionLabel):
        raise row.wrong(name, value, '"weak", "strong" or nothing')
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


@dataclass(frozen=True)
class _Label:
    """What a row of a labels file states of a question, as fields of its contribution."""

    where: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class _LabelsFile:
    """A labels file by id and text of its questions; of a question that occurs twice the last row.

    A row that does not say of which text it is is taken for every question with its id.
    """

    by_question: Mapping[_LabelledQuestion, _Label] = field(default_factory=dict)
    bad_rows: Sequence[BadRow] = ()
    used: set[_LabelledQuestion] = field(default_factory=set)

    def of(self, question: Question) -> Mapping[str, Any]:
        """What was measured of a question; it replaces what the data says."""
        for labelled in ((question.id, question.text_digest), (question.id, None)):
            if labelled in self.by_question:
                self.used.add(labelled)
                return self.by_question[labelled].fields
        return {}

    def log_use(self, path: Path) -> None:
        """Say how many labels there are, and how many belong to other questions than those of the data."""
        if self.used:
            logger.info("%s: audio contribution of %d questions", path, len(self.used))
        others = [label.where for question, label in self.by_question.items() if question not in self.used]
        if others:
            of_other_texts = all(digest for _, digest in self.by_question)  # of another file beside it
            report = logger.info if self.used or of_other_texts else logger.warning
            report("%s: %d labels are of no question that was read; first: %s", path, len(others), others[0])


def _read_labels_file(path: Path) -> _LabelsFile:
    by_question: dict[_LabelledQuestion, _Label] = {}
    bad_rows: list[BadRow] = []
    for row in scan_rows(path) if path.exists() else ():
        if isinstance(row, BadRow):
            bad_rows.append(replace(row, kind=_BAD_LABEL))
            continue
        values, errors = gather(
            {
                "id": partial(row.text, "id"),
                "text_digest": partial(row.text, "text_digest", default=""),
                "label": partial(_label, row, "contribution"),
                "score": partial(row.number, "score"),
                "method": partial(row.text, "rule", default="given"),
                "votes": partial(row.mapping, "votes"),
            }
        )
        bad_rows += row.bad((error.fault for error in errors), _BAD_LABEL)
        if not errors:
            labelled = values.pop("id"), values.pop("text_digest") or None
            by_question[labelled] = _Label(row.where, {n: v for n, v in values.items() if v is not None})
    return _LabelsFile(by_question, bad_rows)


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
