"""Warnings at the top of the page: a run that did not help or learn, answers that name no choice."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rlaudio.answers.unparsed import MANY_UNPARSED
from rlaudio.report.sections.accuracy_tables import AccuracyTable, Line
from rlaudio.runs.digests import changed_files
from rlaudio.runs.metrics import NOT_REWARDS, is_stuck_reward, known_values
from rlaudio.runs.places import ANSWERS, LABEL_TABLES, LABELS, METRICS, ROLLOUTS, SAMPLES
from rlaudio.runs.run import StoredRun
from rlaudio.utils.number_format import counted, percent, short_number, signed

logger = logging.getLogger(__name__)

STEPS_WITHOUT_SIGNAL = 20  # at the end of a stage, from which it is told; in a shorter stage all of them


@dataclass(frozen=True)
class Notice:
    """One warning at the top of the page."""

    head: str
    text: str


def edited_files(run: StoredRun) -> list[Notice]:
    """A warning where what the page reads is not what the run wrote; it is logged as well."""
    places = (ANSWERS, METRICS, ROLLOUTS, LABELS, LABEL_TABLES, SAMPLES)
    nothing: list[str] = []
    changed = run.files.optional(lambda: changed_files(run.path, *places, path_of=run.files.path_of), nothing)
    if not changed:
        return []
    files = ", ".join(changed)
    logger.warning("%s: not what the run wrote: %s; the page shows it as it is now", run.path, files)
    return [
        Notice(
            "Some files are not what the run wrote.",
            f"The page shows them as they are, so numbers may contradict each other: {files}. Put them back "
            "as they were.",
        )
    ]


def notices(held_out: Iterable[AccuracyTable]) -> list[Notice]:
    """The warnings of a run that was evaluated before and after training; none where all went well."""
    sets = list(held_out)
    return [
        Notice(notice.head, _on(table.name, notice.text) if len(sets) > 1 else notice.text)
        for table in sets
        for notice in (*_no_gain(table), *_unparsed(table))
    ]


def _on(held_out: str, sentence: str) -> str:
    """A sentence about one held-out set: "On shifted, they count as wrong."."""
    return f"On {held_out}, {sentence[:1].lower()}{sentence[1:]}"


def training_notices(run: StoredRun) -> list[Notice]:
    """The warnings of a run whose rewards taught nothing; they need no evaluation."""
    return [
        notice
        for stage in run.stages
        if run.series(stage, "reward/total")
        for notice in (*_no_signal(run, stage), *_stuck_rewards(run, stage))
    ]


def _no_signal(run: StoredRun, stage: str) -> Iterator[Notice]:
    """Where up to the end of a stage all completions of every group had the same reward."""
    shares = [share for _, share in run.series(stage, "group/no_spread")]
    silent = next((n for n, share in enumerate(reversed(shares)) if share != 1.0), len(shares))
    if not silent or silent < min(STEPS_WITHOUT_SIGNAL, len(shares)):
        return
    when = "any step" if silent == len(shares) else f"the last {counted(silent, 'step')}"
    yield Notice(
        f"{stage.upper()} had no learning signal in {when}.",
        "All completions of every group had the same reward, so nothing was learned from them; look at the "
        "completions, raise the temperature or change the rewards.",
    )


def _stuck_rewards(run: StoredRun, stage: str) -> Iterator[Notice]:
    """Rewards whose mean had one value in all steps of a stage that had any."""
    steps = [row for row in run.metrics if row["stage"] == stage and any(key in row for key in NOT_REWARDS)]
    for name in dict.fromkeys(name for row in steps for name in row):
        if is_stuck_reward(name, means := [row.get(name) for row in steps], means):
            known = known_values(means)
            which = "" if len(known) == len(means) else " that had a value"
            yield Notice(
                f"Reward {name.removeprefix('reward/')} was {short_number(known[0])} in every step of "
                f"{stage.upper()}{which}.",
                "It taught nothing; look at the completions, change its options or leave it out.",
            )


def _no_gain(held_out: AccuracyTable) -> Iterator[Notice]:
    """Where accuracy with audio fell significantly in a group of the headline, or did not rise overall."""
    worse = [line for line in held_out.headline if line.became_worse]
    every = next((line for line in held_out.headline if line.grouping == "all"), None)
    if worse:
        where = "" if every in worse else f" on {' and '.join(map(_questions, worse))}"
        yield Notice(
            f"This run made the model worse{where}.", f"Accuracy fell: {'; '.join(map(_change, worse))}."
        )
    elif every is not None and every.change is not None and every.change.value <= 0:
        what = "fell, perhaps by chance" if every.change.value < 0 else "is what it was"
        yield Notice("This run did not make the model better.", f"Accuracy {what}: {_change(every)}.")


def _change(line: Line) -> str:
    """Accuracy with audio before and after the run, and the change with its interval where there is one."""
    cells = [
        by_control.get("audio") for by_control in (line.base.accuracy, line.final.accuracy)
    ]  # a file may be gone
    before, after = (percent(cell.value) if cell else "\N{EN DASH}" for cell in cells)
    accuracies = f"{_questions(line)} {before} \N{RIGHTWARDS ARROW} {after} %"
    if line.change is None or line.change.p_value is None:
        return accuracies
    change, low, high = (signed(value) for value in (line.change.value, line.change.low, line.change.high))
    return f"{accuracies} ({change} points, 95 % interval {low} to {high})"


def _questions(line: Line) -> str:
    return "all questions" if line.grouping == "all" else f"{line.name} questions"


def _unparsed(held_out: AccuracyTable) -> Iterator[Notice]:
    """Where many answers of the trained model name no choice."""
    for line in held_out.headline:
        if line.grouping == "all" and (line.final.unparsed or 0.0) >= MANY_UNPARSED:
            before = "" if line.base.unparsed is None else f"; before it {percent(line.base.unparsed)} %"
            yield Notice(
                f"{percent(line.final.unparsed)} % of the answers name no choice.",
                f"They count as wrong (with real audio, after the run{before}).",
            )
