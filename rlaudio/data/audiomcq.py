"""Questions from files in the format of AudioMCQ and its StrongAC subset; and back again.

Fields: arXiv:2509.21060 and the data cards. Every file that rlaudio writes (the embedded world, questions
about recordings) is in this format too, so that all data is read by this file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from rlaudio.data.fields import NOTHING, Fields
from rlaudio.data.labels_file import contribution_label
from rlaudio.data.loading import find_files, load, local
from rlaudio.data.rows import FieldError
from rlaudio.runs.files import write_rows
from rlaudio.types import Choice, Contribution, Dataset, Question
from rlaudio.utils.messages import printable
from rlaudio.utils.quick_records import maker

# Chains of thought are recognised by our own names for the fields, or by the tags inside them.
_COT_KEYS = {"structured_cot": "structured", "simple_cot": "simple", "gemini_cot": "gemini"}
_COT_TAGS = {"<stage1>": "structured", "<simple analysis>": "simple"}

_GROUP_FIELDS = ("question_type", "source_dataset", "mechanism")
# Half a million of each are made.
_question_of, _choice_of, _contribution_of = maker(Question), maker(Choice), maker(Contribution)

_READ = {  # what can be no chain of thought
    *("id", "question", "question_text", "choices", "multi_choice", "answer", "audio_path", "audio"),
    *("text_answerable", "audio-contribution", "contribution_score", *_GROUP_FIELDS),
}
_GENERIC = (
    "a row of the generic format; expected AudioMCQ's; name its file jsonl=FILE, or {use: jsonl, path: FILE}"
)


def audiomcq(
    *,
    path: Path,
    audio_root: Path | None = None,
    outside_root: bool = False,
    limit: int | None = None,
    revision: str | None = None,
    question_type: str | None = None,
    cot_structured_key: str | None = None,
    cot_simple_key: str | None = None,
) -> Dataset:
    """The questions of a .jsonl, .json or .parquet file, or of a dataset folder, in the order of the files.

    A folder is read as AudioMCQ publishes it: everything under `datasets/`, or else `data.jsonl`.
    `audio_path` fields are relative to `audio_root` (by default the folder of the data), and a path that
    leaves it, also by a symbolic link, is an error unless `outside_root` is set. Of the questions of
    `question_type` (all types by default) the first `limit` come back, with the contribution that the data
    states. The names of the chain-of-thought fields differ between releases: without `cot_structured_key` and
    `cot_simple_key` they are recognised by their tags. A `labels.jsonl` beside a data file is merged; its
    labels replace those in the file. `path` may name a data set of the Hugging Face hub, at `revision`.

    Raises FileNotFoundError, and ValueError that counts the rows that are not in the format and names the
    first few by file and line; within `rlaudio.data.bad_rows.listing_bad_rows` they are listed instead.
    Rows in the format that cannot be used (answer not among the choices) are found by `rlaudio.data.audit`.
    """
    path = local(path, revision)
    named = ((cot_structured_key, "structured"), (cot_simple_key, "simple"))
    cot_keys = {key: kind for key, kind in named if key}
    types: set[str] = set()

    def is_wanted(question: Question) -> bool:
        types.add(question.groups["category"])
        return question_type == question.groups["category"]

    data = load(
        path,
        find_files(path, "datasets/**/*", "data.jsonl", "data.parquet", "*.parquet"),
        partial(_question, tuple(cot_keys.items())),
        audio_root=audio_root,
        outside_root=outside_root,
        limit=limit,
        stated=_contribution,
        keep=is_wanted if question_type else None,
    )
    if types and not data:
        there = ", ".join(sorted(types))
        raise ValueError(
            f"{printable(str(path))}: no questions of question_type {question_type!r}; the types there are: "
            + there
        )
    for key, kind in cot_keys.items():
        if data and not any(kind in question.cot for question in data):
            raise ValueError(f"{path}: no row has a text in the field {key!r}; expected chains of thought")
    return data


def write_audiomcq(questions: Iterable[Question], path: Path | str) -> None:
    """Write a .jsonl file that `audiomcq` reads back; audio below its folder gets a relative path.

    Audio elsewhere gets an absolute one, which is read back with `outside_root`, or with an `audio_root`
    above it (generated clips in rlaudio's cache without).
    The contributions of a `Dataset` are written with its questions. Raises ValueError for a question that is
    not a choice about one audio file.
    """
    contributions = questions.contributions if isinstance(questions, Dataset) else {}
    path = Path(path)
    rows = (_fields(question, contributions.get(question.id), path.parent) for question in questions)
    write_rows(path, rows)


def relative_path(audio_path: Path, folder: Path) -> str:
    """The path of audio as a file in `folder` states it: relative below the folder, else absolute."""
    absolute = audio_path.absolute()
    below = absolute.is_relative_to(folder.absolute())
    return (absolute.relative_to(folder.absolute()) if below else absolute).as_posix()


def _question(named: tuple[tuple[str, str], ...], row: Fields) -> Question:
    fields = row.fields
    id = row.text("id")
    if "clips" in fields and "audio_path" not in fields and "audio" not in fields:
        raise FieldError(row.where, f'no field "audio_path" but "clips": {_GENERIC}')
    cot, others = _cot_fields(tuple(fields), named)
    if others:
        cot = _cot_by_tags(fields, others, dict(named), cot)
    for name in cot.values():
        if fields[name].__class__ is not str:
            cot = {kind: name for kind, name in cot.items() if isinstance(fields[name], str)}
            others = tuple(fields)
            break
    choices, answer = row.texts("choices", "multi_choice"), row.text("answer", empty=True)  # one may be empty
    gold = choices.index(answer) if answer in choices else None
    return _question_of(
        id,
        row.text("question", "question_text"),
        row.clip("audio_path", "audio"),
        _choice_of(choices, gold, answer if gold is None else choices[gold]),
        row.made_of(_GROUP_FIELDS, _groups),
        row.flag("text_answerable") if "text_answerable" in fields else None,
        row.long_texts(id, cot, _close_tags) if cot else NOTHING,
        None,
        row.rest(*_READ, *cot.values()) if others else NOTHING,
        row.where,
    )


def _groups(row: Fields) -> Mapping[str, str]:
    return row.named_groups(
        {
            "category": row.text("question_type", default="unknown"),
            "source": row.text("source_dataset", default="unknown"),
            "mechanism": row.text("mechanism", default=""),
        }
    )


def _contribution(row: Fields, question: Question) -> Contribution | None:
    label = row.fields.get("audio-contribution")
    if label not in ("weak", "strong"):
        label = row.tried(partial(contribution_label, row.row, "audio-contribution"), None)
    score = row.number("contribution_score") if "contribution_score" in row.fields else None
    return _contribution_of(question.id, label, score, None, "given", NOTHING, None, None) if label else None


@lru_cache(maxsize=1024)
def _cot_fields(
    names: tuple[str, ...], named: tuple[tuple[str, str], ...]
) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Of the names of a row's fields, those of chains of thought by kind, and those that may be anything."""
    kinds = _COT_KEYS | dict(named)
    by_kind: dict[str, str] = {}
    for name in names:
        if name not in _READ and name in kinds:
            by_kind.setdefault(kinds[name], name)
    chains = by_kind.values()
    return by_kind, tuple(name for name in names if name not in _READ and name not in chains)


def _cot_by_tags(
    fields: Mapping[str, Any], others: Iterable[str], named: Mapping[str, str], known: Mapping[str, str]
) -> Mapping[str, str]:
    """`known` and the other fields that hold a chain of thought, by the tags in them."""
    by_kind = dict(known)
    for name in others:
        if isinstance(text := fields[name], str):
            kinds = (kind for tag, kind in _COT_TAGS.items() if tag in text and kind not in named.values())
            if kind := next(kinds, None):
                by_kind.setdefault(kind, name)
    return by_kind


def _close_tags(text: str) -> str:
    """The paper's figure closes `<stage1>` by a second `<stage1>`; a Question always has `</stage1>`."""
    if text.count("<s") <= text.count("</s"):
        return text
    unclosed = r"<(stage\d|simple analysis)>((?:(?!</?\1>).)*)<\1>"
    return re.sub(unclosed, r"<\1>\2</\1>", text, flags=re.DOTALL)


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
        "audio_path": relative_path(question.clips[0], folder),
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
