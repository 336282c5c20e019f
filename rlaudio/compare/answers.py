"""The answers of all arms to the held-out questions, side by side, for the page of a comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rlaudio.compare.results import Results
from rlaudio.runs.files import Json
from rlaudio.runs.places import is_run
from rlaudio.runs.run import open_run
from rlaudio.viewer.records import ClipToHear, Column, Viewed, ViewedGroup
from rlaudio.viewer.stored_answers import FLAGS, answered_question, scorer_columns, viewed_answer

NO_CLIP = "a comparison keeps no clips of held-out questions; rlaudio evaluate --out does"
OTHER = "other than the baseline"


@dataclass(frozen=True, eq=False)
class _RunAnswers:
    """What the final policy of one run answered, by question id and control."""

    arm: str
    seed: int
    rows: Mapping[tuple[str, str], Json]


def viewed_answers(results: Results, folder: Path) -> Viewed:
    """Every held-out question with the answers of every arm and seed to its clip."""
    by_set = {held_out.name: list(_read(results, folder, held_out.name)) for held_out in results.held_out}
    rows = [row for runs in by_set.values() for run in runs for row in run.rows.values()]
    scorers = list(dict.fromkeys(scorer for row in rows for scorer in row.get("verdicts", {})))
    return Viewed(
        groups=[
            group for name, runs in by_set.items() for group in _groups(name, runs, scorers, results.baseline)
        ],
        columns=[
            *scorer_columns(scorers),
            Column("right", "number", "share of arms and seeds that are right", of_group=True),
        ],
        flags={
            **FLAGS,
            OTHER: "right where the baseline is wrong with the same seed, or the reverse",
        },
        selection="Final answers to the clip itself, of every arm and seed.",
    )


def _read(results: Results, folder: Path, name: str) -> Iterator[_RunAnswers]:
    for arm in results.arms:
        for seed in arm.seeds:
            place = folder / arm.name / f"seed-{seed}"
            if not is_run(place):  # gone since its results were read
                continue
            run = open_run(place, leave_out_damage=True)
            rows = {(row["id"], row["control"]): row for row in run.answers("final", name)}
            yield _RunAnswers(arm.name, seed, rows)


def _groups(
    name: str, runs: Sequence[_RunAnswers], scorers: Sequence[str], baseline: str
) -> Iterator[ViewedGroup]:
    questions = dict.fromkeys(id for run in runs for id, control in run.rows if control == "audio")
    by_baseline = {run.seed: run.rows for run in runs if run.arm == baseline}
    for id in questions:
        answers = [(run, run.rows[id, "audio"]) for run in runs if (id, "audio") in run.rows]
        completions = []
        for run, row in answers:
            silent, base = run.rows.get((id, "silence")), by_baseline.get(run.seed, {}).get((id, "audio"))
            completions.append(
                viewed_answer(
                    row,
                    f"{run.arm}, seed {run.seed}",
                    scorers,
                    in_silence=bool(silent and silent["right"]),
                    others=[OTHER] if base and base["right"] != row["right"] else [],
                )
            )
        first = answers[0][1]
        clips = [ClipToHear(path, absent=NO_CLIP) for path in first.get("clips") or []]
        right = sum(row["right"] for _, row in answers) / len(answers)
        yield answered_question(name, first, completions, clips, {"right": right})
