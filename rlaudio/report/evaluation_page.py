"""The page of an evaluation: its tables, and every question with its answers side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rlaudio.answers.unparsed import MANY_UNPARSED
from rlaudio.evaluation.answer_rows import group_names
from rlaudio.evaluation.asking import STRONG_AND_WEAK
from rlaudio.runs.evaluations import open_evaluation
from rlaudio.runs.files import Json
from rlaudio.runs.places import PAGE
from rlaudio.runs.stored_files import StoredFiles
from rlaudio.utils.number_format import counted, group_title, percent, signed, thousands
from rlaudio.utils.text_table import shown_once
from rlaudio.viewer.kept_clips import kept_clips
from rlaudio.viewer.records import Viewed, ViewedGroup
from rlaudio.viewer.stored_answers import FLAGS, answered_question, scorer_columns, viewed_answer
from rlaudio.viewer.viewer_page import PageHead, PageTable, write_viewer_page


def write_evaluation_page(folder: Path) -> Path:
    """Write `report.html` into the folder of an evaluation and return its path.

    Nothing outside the folder is read. Raises FileNotFoundError for a folder without an evaluation.
    """
    stored = open_evaluation(folder)
    files, tables, rows = stored.files, stored.tables, stored.answers
    scorers = list(dict.fromkeys(s for of in rows.values() for row in of for s in row.get("verdicts", {})))
    viewed = Viewed(
        groups=[group for name in tables for group in _groups(files, name, rows[name], scorers)],
        columns=scorer_columns(scorers),
        flags=FLAGS,
        selection="Every question with its answers under each control; the first ones, where they are many.",
    )
    head = PageHead(
        title=folder.name or "evaluation",
        kicker="evaluation",
        facts=[(name, counted(len({row["id"] for row in of}), "question")) for name, of in rows.items()],
        notices=[
            *(notice for name, table in tables.items() for notice in _unparsed(name, table)),
            *(("Left out, because it is damaged:", damage) for damage in files.left_out),
        ],
        tables=[_table(name, table, rows[name]) for name, table in tables.items()],
    )
    files.warn_of_damage()
    return write_viewer_page(folder / PAGE, head, viewed)


def _unparsed(name: str, evaluation: Json) -> Iterator[tuple[str, str]]:
    """Where many answers of a set, to the clip if it was heard, name no choice."""
    scores = evaluation["tables"]["all"]["all"]["scores"]
    control = "audio" if "audio" in scores else next(iter(scores), "")
    share = scores.get(control, {}).get("unparsed")
    if share is not None and share >= MANY_UNPARSED:
        yield (
            f"{percent(share)} % of the answers to {name} name no choice ({control}).",
            "They count as wrong, so accuracies say little; try the other prompt.style or another model.",
        )


# --- tables --------------------------------------------------------------------------------------


def _table(name: str, evaluation: Json, answers: Sequence[Json]) -> PageTable:
    tables = evaluation["tables"]
    controls = list(tables["all"]["all"]["scores"])
    others = list(tables["all"]["all"]["other_scores"])
    asked: defaultdict[tuple[str, str], set[str]] = defaultdict(set)  # ids by group; none if answers are lost
    for row in answers:
        for pair in group_names(row["groups"], row["contribution"], row["text_answerable"]).items():
            asked[pair].add(row["id"])
    rows, same = shown_once(
        [
            (
                frozenset(asked[grouping, group]) or (grouping, group),
                list(_cells(group_title(grouping, group), of, controls, others)),
            )
            for grouping, groups in tables.items()
            for group, of in groups.items()
        ]
    )
    return PageTable(
        title=name,
        header=[
            "Questions",
            "n",
            "chance",
            *controls,
            *(f"audio, by {scorer}" for scorer in others),
            *(f"audio \N{MINUS SIGN} {control}" for control in controls if control != "audio"),
        ],
        rows=[list(row) for row in rows],
        note=" ".join([*_notes(evaluation), *same]),
    )


def _notes(evaluation: Json) -> Iterator[str]:
    yield f"Percent with 95 % intervals, by the scorer {evaluation['scorer']}; differences in points."
    scores = evaluation["tables"]["all"]["all"]["scores"]
    unparsed = ", ".join(f"{control} {percent(of.get('unparsed'))} %" for control, of in scores.items())
    yield f"Answers that name no option are wrong: {unparsed}."
    if known := evaluation.get("provenance", {}).get(STRONG_AND_WEAK):
        yield f"{STRONG_AND_WEAK[:1].upper()}{STRONG_AND_WEAK[1:]} {known}."
    if evaluation.get("s_audio") is not None:
        yield f"S_audio, audio minus the mean of silence and mismatch: {signed(evaluation['s_audio'])}."


def _cells(title: str, of: Json, controls: Sequence[str], others: Sequence[str]) -> Iterator[str]:
    yield title
    yield thousands(of["questions"])
    yield percent(of["chance"])
    scores = [of["scores"].get(control) for control in controls]
    scores += [of["other_scores"].get(scorer, {}).get("audio") for scorer in others]
    for score in scores:
        yield _with_interval(score, "accuracy", percent)
    for control in controls:
        if control != "audio":
            yield _with_interval(of["gains"].get(control), "difference", signed)


def _with_interval(of: Json | None, name: str, number: Callable[[float | None], str]) -> str:
    return f"{number(of[name])} [{number(of['low'])}, {number(of['high'])}]" if of else number(None)


# --- answers -------------------------------------------------------------------------------------


def _groups(
    files: StoredFiles, name: str, rows: Sequence[Json], scorers: Sequence[str]
) -> Iterator[ViewedGroup]:
    clips = kept_clips(files, name)
    by_question: dict[str, list[Json]] = {}
    for row in rows:
        by_question.setdefault(row["id"], []).append(row)
    for id, answers in by_question.items():
        right = {row["control"] for row in answers if row["right"]}
        completions = [
            viewed_answer(row, row["control"], scorers, in_silence="silence" in right) for row in answers
        ]
        yield answered_question(name, answers[0], completions, clips(id, answers[0].get("clips") or []))
