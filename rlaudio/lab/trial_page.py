"""The page of a trial: its numbers, what lints warn of, and the completions with their clips.

Groups whose advantages change most come first, up to as many completions as a page holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from rlaudio.lab.trial import Trial
from rlaudio.lab.trial_text import Json, correlation_cells, distribution_cells, weight_and_place
from rlaudio.runs.run import StoredRun
from rlaudio.utils.messages import shown
from rlaudio.utils.number_format import counted, short_number, thousands
from rlaudio.viewer.kept_clips import kept_clips
from rlaudio.viewer.records import Column, Viewed, ViewedCompletion, ViewedGroup
from rlaudio.viewer.viewer_page import PageHead, PageTable, write_viewer_page

_SHOWN = 160  # characters of an example
FLAGS = {
    "right": "by the scorer of the trial",
    "turned": "its advantage changes its sign",
    "gains spread": "of a group whose totals were all equal and no longer are",
    "loses spread": "of a group whose totals differed and no longer do",
    "no value": "a reward that is tried gave none",
}


def write_trial_page(path: Path, run: StoredRun, trial: Trial, result: Json) -> Path:
    """Write the page and return its path; `result` is what `trial_to_json` gives of the trial."""
    names = " and ".join(tried.name for tried in trial.tried)
    head = PageHead(
        title=f"{names} on {run.path.resolve().name}",
        kicker="reward trial",
        facts=_facts(result),
        notices=list(_notices(result)),
        tables=_tables(result),
    )
    return write_viewer_page(path, head, _viewed(run, trial))


# --- above the completions -----------------------------------------------------------------------


def _facts(result: Json) -> list[tuple[str, str]]:
    facts = [("completions", result["completions"]), ("right", f"{100 * result['right']:.1f} %")]
    for tried in result["tried"]:
        groups = tried["groups"]
        facts.append((tried["name"], weight_and_place(tried)))
        facts.append(
            (
                f"groups with spread, {tried['name']}",
                f"{thousands(groups['with_spread_before'])} before, "
                f"{thousands(groups['with_spread_after'])} after, of {thousands(groups['count'])}",
            )
        )
    return [*facts, ("algorithm", result["algorithm"])]


def _notices(result: Json) -> Iterator[tuple[str, str]]:
    """What lints warn of, and what went wrong."""
    for note in result["notes"]:
        yield "advantages", note
    for tried in result["tried"]:
        for finding in tried["lints"]:
            if finding["outcome"] == "warns":
                examples = "; ".join(map(_example, finding["examples"]))
                yield f"{tried['name']}: {finding['lint']}", f"{finding['said']}. {examples}"
        if count := tried["failures"]["count"]:
            reason = tried["failures"]["first"][0]["reason"]
            yield tried["name"], f"gave no value for {counted(count, 'completion')}; the first: {reason}"
        if tried["ended"]:
            yield tried["name"], f"lints ended early: {tried['ended']}"


def _example(example: Json) -> str:
    return f"{example['what']}, paid {short_number(example['value'])}: {shown(example['text'], _SHOWN)}"


def _tables(result: Json) -> list[PageTable]:
    header, rows = distribution_cells(result["distributions"])
    others, correlations = correlation_cells(result["correlations"])
    lints = [
        [f"{tried['name']}: {finding['lint']}", finding["outcome"]]
        for tried in result["tried"]
        for finding in tried["lints"]
    ]
    return [
        PageTable(
            "What the rewards paid", header, [[*row, bars.replace(" ", "\u2007")] for *row, bars in rows]
        ),
        PageTable("Correlations", others, correlations, "Pearson's, over completions."),
        PageTable("How it could be cheated", ("lint", "outcome"), lints),
    ]


# --- the completions -----------------------------------------------------------------------------


def _viewed(run: StoredRun, trial: Trial) -> Viewed:
    columns = _columns(trial)
    clips = kept_clips(run.files, "train")
    flags = _flags(trial)
    values = {name: trial.rollouts.by_group(array) for name, (_, array) in columns.items()}
    groups = []
    for number in _most_moved_first(trial):
        group = trial.rollouts.groups[number]
        question = group.prompt.question
        stage, step = trial.rollouts.stage_and_step(number)
        known = trial.rollouts.in_silence.get(question.id)
        label = {"contribution": "weak" if known.weak else "strong"} if known else {}
        groups.append(
            ViewedGroup(
                question_id=question.id,
                question=question.question,
                completions=[
                    ViewedCompletion(
                        text=completion.text,
                        values={name: float(of_group[number][sample]) for name, of_group in values.items()},
                        flags=frozenset(name for name in FLAGS if flags[name][number][sample]),
                        stop_reason=completion.stop_reason,
                    )
                    for sample, completion in enumerate(group.completions)
                ],
                options=question.choices,
                gold=getattr(question.target, "gold", None),
                answer=question.answer,
                stage=stage,
                step=step,
                facts={**question.groups, **label},
                clips=clips(question.id, question.clip_names),
            )
        )
    return Viewed(
        groups=groups,
        columns=[column for column, _ in columns.values()],
        flags=FLAGS,
        selection=f"{trial.rollouts.selection}; groups whose advantages change most come first.",
    )


def _columns(trial: Trial) -> dict[str, tuple[Column, np.ndarray]]:
    """Each column by name, and its values of all completions [N]."""
    columns = [(Column("total", "total", "as the run had it"), trial.total)]
    columns += [
        (Column(name, "reward", "a reward, unweighted"), array) for name, array in trial.rewards.items()
    ]
    if trial.advantages is not None:
        columns.append((Column("advantage", "advantage", "under the run's rewards"), trial.advantages))
    for tried in trial.tried:
        columns.append((Column(f"total with {tried.name}", "total", "weighted sum"), tried.total))
        if tried.advantages is not None and trial.advantages is not None:
            name = f"advantage with {tried.name}"
            columns.append((Column(name, "advantage", "of the changed total"), tried.advantages))
            change = tried.advantages - trial.advantages
            columns.append((Column(f"change by {tried.name}", "number", "of the advantage"), change))
    columns.append((Column("tokens", "number", "that were sampled"), trial.lengths.astype(float)))
    return {column.name: (column, array) for column, array in columns}


def _flags(trial: Trial) -> Mapping[str, Sequence[np.ndarray]]:
    """By flag: which completions of each group have it [G] bool."""
    rollouts = trial.rollouts
    turned = np.zeros(len(trial.total), bool)
    for tried in trial.tried:
        if tried.advantages is not None and trial.advantages is not None:
            turned |= np.sign(tried.advantages) * np.sign(trial.advantages) < 0
    missing = np.any([np.isnan(tried.values) for tried in trial.tried], axis=0)
    before = rollouts.with_spread(trial.total)
    after = [rollouts.with_spread(tried.total) for tried in trial.tried]
    gained, lost = ~before & np.any(after, axis=0), before & ~np.all(after, axis=0)
    sizes = [len(group.completions) for group in rollouts.groups]
    return {
        "right": rollouts.by_group(trial.right),
        "turned": rollouts.by_group(turned),
        "gains spread": [np.full(size, bool(gains)) for size, gains in zip(sizes, gained, strict=True)],
        "loses spread": [np.full(size, bool(loses)) for size, loses in zip(sizes, lost, strict=True)],
        "no value": rollouts.by_group(missing),
    }


def _most_moved_first(trial: Trial) -> list[int]:
    """Places of the groups, by the largest change of an advantage, else of a total, in them."""
    moved = np.zeros(len(trial.total))
    for tried in trial.tried:
        known = trial.advantages is not None and tried.advantages is not None
        before = trial.advantages if known else trial.total
        after = tried.advantages if known else tried.total
        assert before is not None and after is not None
        moved = np.maximum(moved, np.nan_to_num(np.abs(after - before)))
    largest = [float(of_group.max()) for of_group in trial.rollouts.by_group(moved)]
    return sorted(range(len(largest)), key=lambda number: -largest[number])
