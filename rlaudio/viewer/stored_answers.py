"""Stored answers to held-out questions, as an evaluation's files hold them, and how the viewer shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rlaudio.runs.files import Json
from rlaudio.viewer.records import ClipToHear, Column, ViewedCompletion, ViewedGroup

FLAGS = {
    "right": "by the evaluation's own scorer",
    "right in silence too": "right with the clip and without it",
    "parts disagree": "one scorer calls it right and another one does not",
    "unparsed": "no option was read in it",
}


def scorer_columns(scorers: Sequence[str]) -> list[Column]:
    """The points that each scorer gives, the evaluation's own first."""
    return [Column(scorer, "reward" if at else "total", "points") for at, scorer in enumerate(scorers)]


def answered_question(
    name: str,
    first: Json,
    completions: Sequence[ViewedCompletion],
    clips: Sequence[ClipToHear],
    values: Mapping[str, float | None] | None = None,
) -> ViewedGroup:
    """One question of the held-out set `name`, from the first of the stored answers to it."""
    label = {"contribution": first["contribution"]} if first["contribution"] else {}
    options, answer = first["choices"], str(first.get("answer") or "")
    return ViewedGroup(
        question_id=first["id"],
        question=str(first.get("question") or ""),
        completions=completions,
        options=options,
        gold=options.index(answer) if answer in options else None,
        answer=answer,
        stage=name,
        facts={**first["groups"], **label},
        values=values or {},
        clips=clips,
    )


def viewed_answer(
    row: Json, title: str, scorers: Sequence[str], *, in_silence: bool, others: Sequence[str] = ()
) -> ViewedCompletion:
    """One stored answer; `in_silence`: the same model is right without the clip, `others` are more flags."""
    verdicts = row.get("verdicts") or {}
    points = {
        name: float(verdict["right"]) if verdict.get("score") is None else float(verdict["score"])
        for name, verdict in verdicts.items()
        if name in scorers
    }
    flags = {
        "right": row["right"],
        "right in silence too": row["control"] == "audio" and row["right"] and in_silence,
        "parts disagree": len({verdict["right"] for verdict in verdicts.values()}) > 1,
        "unparsed": row.get("status") in ("none", "ambiguous"),
    }
    return ViewedCompletion(
        text=str(row.get("text") or ""),
        values=points,
        flags=frozenset(name for name, holds in flags.items() if holds) | set(others),
        stop_reason="length" if row.get("truncated") else "stop",
        title=title,
    )
