"""rlaudio's own format: JSON lines that hold all of a question, as docs/data.md says field by field."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, get_args

from rlaudio.data.audiomcq import relative_path
from rlaudio.data.embedded import encode_samples
from rlaudio.data.fields import NOTHING, Fields, holds_audio
from rlaudio.data.labels_file import contribution_interval, contribution_label, contribution_share
from rlaudio.data.loading import find_files, load, local
from rlaudio.runs.files import write_bytes, write_rows
from rlaudio.scorers.instructions import RULES
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
from rlaudio.utils.messages import shown

_STYLES = get_args(Style)
_AUDIO_ENDINGS = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".webm")
_CLIPS = ("clips", "audio_path", "audio")
_CONTRIBUTION = tuple(field.name for field in dataclasses.fields(Contribution) if field.name != "question_id")


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
    rows = (_fields(question, contributions.get(question.id), path.parent) for question in questions)
    write_rows(path, rows)


def _question(row: Fields) -> Question:
    style = row.value("style")
    if style is not None and style not in _STYLES:
        row.wrong_field("style", f"one of {', '.join(_STYLES)}, or nothing")
    cot, extra = _texts(row, "cot"), row.mapping("extra")
    question = Question(
        row.text("id"),
        row.text("question"),
        row.clips(*_one_of(row, *_CLIPS)),
        _target(row),
        row.named_groups(_texts(row, "groups")),
        row.flag("text_answerable"),
        cot,
        style,
        {**row.rest("contribution"), **extra},
        row.where,
    )
    _refuse_unnamed_audio(row)
    return question


def _texts(row: Fields, name: str) -> Mapping[str, str]:
    texts = row.mapping(name)
    if all(isinstance(text, str) for text in texts.values()):
        return texts
    row.wrong_field(name, "an object of texts")
    return NOTHING


def _one_of(row: Fields, *names: str) -> tuple[str, ...]:
    """The names, of which at most one may state the clips: of two that differ one would be dropped."""
    stated = {name: row.fields[name] for name in names if row.fields.get(name) not in (None, "", [])}
    clips = [value if isinstance(value, list) else [value] for value in stated.values()]
    if any(value != clips[0] for value in clips):
        both = " and ".join(f'"{name}" ({shown(value, 80)})' for name, value in stated.items())
        row.wrong(f"{both} state different clips; expected one of them; put all clips into {names[0]!r}")
    return tuple(stated) + tuple(name for name in names if name not in stated)


def _refuse_unnamed_audio(row: Fields) -> None:
    """Refuse audio under a name of the user's own where the row does not say what clips it has."""
    if any(row.fields.get(name, "") != "" for name in _CLIPS):  # null and [] say that there is none
        return
    for name, value in row.unread("contribution").items():
        if _is_audio(value):
            row.wrong(
                f'"{name}" is {shown(value, 80)}, and no clip is stated; expected the path in "clips"; '
                'rename the field, or state "clips": [] for a question about no clip'
            )
            return


def _is_audio(value: Any) -> bool:
    """Whether a value is the path of an audio file, or holds audio itself."""
    is_path = isinstance(value, str) and value.lower().endswith(_AUDIO_ENDINGS)
    return is_path or holds_audio(value)


def _target(row: Fields) -> Target:
    options, check, gold = row.value("choices"), row.mapping("check"), row.value("gold")
    answer = None if row.value("answer") is None else row.text("answer", empty=True)
    if check:
        rule, arguments = check.get("rule"), check.get("arguments") or {}
        if not isinstance(rule, str) or not isinstance(arguments, dict) or options:
            row.wrong_field("check", '{"rule": text, "arguments": object}, and no choices beside it')
            return OpenText()
        if rule not in RULES:  # it would never be followed
            close = get_close_matches(rule[:100], RULES, n=1, cutoff=0.5) or RULES
            wrong = row.row._replace(fields=check).wrong
            row.faults.append(wrong("check.rule", rule, f"a rule of MMAU-Pro: {', '.join(close)}"))
        _refuse_unknown(row, "check", check, ("rule", "arguments"))
        return Check(rule, arguments)
    if options is None:
        return OpenText(answer or "")
    choice = row.choice(() if options == [] else row.texts("choices"), answer)
    if gold is None:
        return choice
    if not isinstance(gold, int) or isinstance(gold, bool) or not 0 <= gold < len(choice.options):
        row.wrong_field("gold", f"the position of a choice, 0 to {len(choice.options) - 1}")
        return choice
    right = choice.options[gold]
    if answer in choice.options and right.strip() != answer.strip():
        row.wrong(
            f'"gold" is {gold}, choice {shown(right, 80)}, and "answer" is {shown(answer, 80)}; correct one'
        )
    return Choice(choice.options, gold, right if answer is None else answer)


def _contribution(row: Fields, question: Question) -> Contribution | None:
    stated = row.mapping("contribution")
    if not stated:
        return None
    nested = row.row._replace(fields=stated)
    label = row.tried(partial(contribution_label, nested, "label"), None)
    score = row.tried(partial(contribution_share, nested, "score"), None)
    votes = row.tried(partial(nested.mapping, "votes"), NOTHING)
    intervals = {
        name: row.tried(partial(contribution_interval, nested, name), None)
        for name in ("interval", "gain_interval")
    }
    gain = row.tried(partial(contribution_share, nested, "gain"), None)
    method = row.tried(partial(nested.text, "method", default="given"), "")
    _refuse_unknown(row, "contribution", stated, _CONTRIBUTION)
    if stated.get("label") is None and any(value is not None for value in stated.values()):
        row.wrong('"contribution" has no "label"; expected "weak", "strong", or "" where it is not known')
    if not label:
        return None
    return Contribution(question.id, label, score, method=method, votes=votes, gain=gain, **intervals)


def _refuse_unknown(row: Fields, name: str, stated: Mapping[str, Any], known: Collection[str]) -> None:
    for key in stated.keys() - known:
        close = get_close_matches(key[:100], known, n=1)
        meant = f", such as {close[0]}" if close else ""
        row.wrong(
            f'"{name}" holds the unknown key {shown(key, 100)}; expected {", ".join(known)}{meant}; '
            'correct it, or move it to "extra"'
        )


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
        write_bytes(written, encode_samples(clip.samples, clip.sample_rate_hz), to_disk=False)
    return relative_path(written, folder)


def _contribution_fields(stated: Contribution) -> dict[str, Any]:
    fields = {name: value for name, value in dataclasses.asdict(stated).items() if name != "question_id"}
    return {name: value for name, value in fields.items() if value not in (None, {})}
