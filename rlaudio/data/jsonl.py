"""rlaudio's own format: JSON lines that hold all of a question, as docs/data.md says field by field."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, get_args

from rlaudio.data.audiomcq import relative_path
from rlaudio.data.embedded import encode_samples
from rlaudio.data.fields import NOTHING, Fields
from rlaudio.data.labels_file import contribution_interval, contribution_label
from rlaudio.data.loading import find_files, load, local
from rlaudio.types import (
    Check,
    Choice,
    Clip,
    Contribution,
    Dataset,
    OpenText,
    Question,
    Style,
    Target,
)

_STYLES = get_args(Style)


def jsonl(
    *,
    path: Path,
    audio_root: Path | None = None,
    outside_root: bool = False,
    limit: int | None = None,
    revision: str | None = None,
) -> Dataset:
    """The questions of a .jsonl, .json or .parquet file with these fields, or of a folder with one.

    Audio paths are relative to `audio_root`, by default the folder. Fields of other names are kept in
    `extra`. `path` may name a data set of the hub, at `revision`. Raises what `rlaudio.data.loading` raises.
    """
    path = local(path, revision)
    return load(
        path,
        find_files(path, "data.jsonl"),
        _question,
        audio_root=audio_root,
        outside_root=outside_root,
        limit=limit,
        stated=_contribution,
    )


def write_jsonl(questions: Iterable[Question], path: Path | str) -> None:
    """Write a .jsonl file that `jsonl` reads back: the same questions, and the contributions of a `Dataset`.

    Audio below the file's folder gets a relative path, audio elsewhere an absolute one, which is read back
    with `outside_root` or an `audio_root` above it. Samples are written to `clips/` beside the file.
    """
    contributions = questions.contributions if isinstance(questions, Dataset) else {}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        for question in questions:
            fields = _fields(question, contributions.get(question.id), path.parent)
            file.write(json.dumps(fields, ensure_ascii=False) + "\n")
    temporary.replace(path)


def _question(row: Fields) -> Question:
    style = row.value("style")
    if style is not None and style not in _STYLES:
        row.wrong_field("style", f"one of {', '.join(_STYLES)}, or nothing")
    cot, extra = _texts(row, "cot"), row.mapping("extra")
    return Question(
        row.text("id"),
        row.text("question"),
        row.clips("clips", "audio_path", "audio"),
        _target(row),
        row.named_groups(_texts(row, "groups")),
        row.flag("text_answerable"),
        cot,
        style,
        {**row.rest("contribution"), **extra},
        row.where,
    )


def _texts(row: Fields, name: str) -> Mapping[str, str]:
    texts = row.mapping(name)
    if all(isinstance(text, str) for text in texts.values()):
        return texts
    row.wrong_field(name, "an object of texts")
    return NOTHING


def _target(row: Fields) -> Target:
    options, check, gold = row.value("choices"), row.mapping("check"), row.value("gold")
    answer = None if row.value("answer") is None else row.text("answer", empty=True)
    if check:
        rule, arguments = check.get("rule"), check.get("arguments") or {}
        if not isinstance(rule, str) or not isinstance(arguments, dict) or options:
            row.wrong_field("check", '{"rule": text, "arguments": object}, and no choices beside it')
            return OpenText()
        return Check(rule, arguments)
    if options is None:
        return OpenText(answer or "")
    choice = row.choice(() if options == [] else row.texts("choices"), answer)
    if gold is None:
        return choice
    if not isinstance(gold, int) or isinstance(gold, bool) or not 0 <= gold < len(choice.options):
        row.wrong_field("gold", f"the position of a choice, 0 to {len(choice.options) - 1}")
        return choice
    return Choice(choice.options, gold, choice.options[gold] if answer is None else answer)


def _contribution(row: Fields, question: Question) -> Contribution | None:
    stated = row.mapping("contribution")
    if not stated:
        return None
    nested = row.row._replace(fields=stated)
    label = row.tried(partial(contribution_label, nested, "label"), None)
    score = row.tried(partial(nested.number, "score"), None)
    votes = row.tried(partial(nested.mapping, "votes"), NOTHING)
    intervals = {
        name: row.tried(partial(contribution_interval, nested, name), None)
        for name in ("interval", "gain_interval")
    }
    gain = row.tried(partial(nested.number, "gain"), None)
    method = row.tried(partial(nested.text, "method", default="given"), "")
    if not label:
        return None
    return Contribution(question.id, label, score, method=method, votes=votes, gain=gain, **intervals)


def _fields(question: Question, stated: Contribution | None, folder: Path) -> dict[str, Any]:
    fields = {
        "id": question.id,
        "clips": [_stated_clip(clip, folder) for clip in question.clips],
        "question": question.question,
        **_target_fields(question.target),
        "groups": dict(question.groups),
        "text_answerable": question.text_answerable,
        "cot": dict(question.cot),
        "style": question.style,
        "extra": dict(question.extra),
        "contribution": _contribution_fields(stated) if stated else None,
    }
    always = {"id", "clips", "question", "choices", "answer", "gold"}
    return {name: value for name, value in fields.items() if name in always or value not in (None, {})}


def _target_fields(target: Target) -> Mapping[str, Any]:
    if isinstance(target, Check):
        return {"check": {"rule": target.rule, "arguments": dict(target.arguments)}}
    if isinstance(target, OpenText):
        return {"answer": target.answer} if target.answer else {}
    fields: dict[str, Any] = {"choices": list(target.options)}
    if target.gold is None and not target.answer:
        return fields
    fields["answer"] = target.answer
    position = target.options.index(target.answer) if target.answer in target.options else None
    return fields if position == target.gold or target.gold is None else {**fields, "gold": target.gold}


def _stated_clip(clip: Path | Clip, folder: Path) -> str:
    if isinstance(clip, Path):
        return relative_path(clip, folder)
    written = folder / "clips" / f"{clip.digest}.wav"
    if not written.exists():
        written.parent.mkdir(exist_ok=True)
        written.write_bytes(encode_samples(clip.samples, clip.sample_rate_hz))
    return relative_path(written, folder)


def _contribution_fields(stated: Contribution) -> dict[str, Any]:
    fields = {name: value for name, value in asdict(stated).items() if name != "question_id"}
    return {name: value for name, value in fields.items() if value not in (None, {})}
