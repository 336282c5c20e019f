"""Does the model answer right, and does it need the audio for it? Greedy accuracy with controls.

Every question is asked with its own clip, with silence of the same length and with the clip of another
question. What counts as right is decided by `rlaudio.answers`, as in the reward.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rlaudio.answers import Mode, Status, matches, read_answer
from rlaudio.audio.controls import mismatch
from rlaudio.evaluation.baselines import baselines, chance, position_histogram
from rlaudio.evaluation.statistics import (
    Interval,
    bootstrap_interval,
    mcnemar_p_value,
    paired_bootstrap_interval,
)
from rlaudio.prompts.builder import Control, PromptBuilder
from rlaudio.rollout.worker import RolloutWorker
from rlaudio.types import GREEDY_ANSWER_TOKENS, Question, greedy
from rlaudio.utils.number_format import percent
from rlaudio.utils.processes import ALONE, Processes
from rlaudio.utils.progress import progress
from rlaudio.utils.text_table import text_table

CONTROLS: tuple[Control, ...] = ("audio", "silence", "mismatch")

# A question stands in one group of each grouping, or in none where the fact is not known.
GROUPINGS: Mapping[str, Callable[[Question], str | None]] = {
    "all": lambda question: "all",
    "category": lambda question: question.category,
    "source": lambda question: question.source,
    "contribution": lambda question: question.contribution,
    "truth": lambda question: _truth(question.text_answerable),
    "source_truth": lambda question: _source_truth(question),
}


@dataclass(frozen=True)
class AnswerRow:
    """One question under one control, and what was answered."""

    question: Question
    control: Control
    heard: str  # id of the question whose clip was heard (silence: whose clip gave the length)
    text: str
    status: Status  # the layer of `rlaudio.answers` that read the text
    predicted: int | None  # position of the option that the text names
    right: bool
    truncated: bool  # stopped by the token limit

    @property
    def unparsed(self) -> bool:
        """The text names no option, or several; such an answer is wrong."""
        return self.predicted is None

    def to_dict(self) -> dict[str, Any]:
        """One flat JSON object."""
        question = self.question
        return {
            "id": question.id,
            "control": self.control,
            "heard": self.heard,
            "category": question.category,
            "source": question.source,
            "contribution": question.contribution,
            "text_answerable": question.text_answerable,
            "choices": list(question.choices),
            "answer": question.answer,
            "text": self.text,
            "status": self.status,
            "predicted": self.predicted,
            "right": self.right,
            "truncated": self.truncated,
        }


@dataclass(frozen=True)
class Score:
    """How one group of questions fares under one control; fractions."""

    accuracy: float
    low: float  # 95 % bootstrap interval of the accuracy
    high: float
    unparsed: float
    truncated: float


@dataclass(frozen=True)
class Difference:
    """Accuracy minus another accuracy on the same questions."""

    difference: float
    low: float  # 95 % paired bootstrap interval
    high: float
    p_value: float  # McNemar's exact test


@dataclass(frozen=True)
class GroupScores:
    """One line of the table: a group of questions under every control."""

    grouping: str  # a key of GROUPINGS
    name: str
    questions: int
    chance: float
    scores: Mapping[Control, Score]
    gains: Mapping[Control, Difference]  # own audio minus this control

    def to_dict(self) -> dict[str, Any]:
        """The line as JSON, without grouping and name."""
        return {
            "questions": self.questions,
            "chance": self.chance,
            "scores": {control: asdict(score) for control, score in self.scores.items()},
            "gains": {control: asdict(gain) for control, gain in self.gains.items()},
        }


@dataclass(frozen=True)
class Evaluation:
    """Every answer given, from which all tables are computed."""

    rows: tuple[AnswerRow, ...]  # control by control, the questions in the same order each time
    matcher: Mode
    resamples: int
    seed: int  # of the mismatched clips and of the bootstrap

    @property
    def controls(self) -> tuple[Control, ...]:
        """The controls in the order in which they were run."""
        return tuple(dict.fromkeys(row.control for row in self.rows))

    @property
    def questions(self) -> list[Question]:
        """The questions, each once."""
        return [row.question for row in self.rows if row.control == self.controls[0]]

    def accuracy(self, control: Control, grouping: str = "all", name: str = "all") -> float | None:
        """Accuracy of one group under one control; None where it has no questions."""
        right = [
            row.right
            for row in self.rows
            if row.control == control and GROUPINGS[grouping](row.question) == name
        ]
        return float(np.mean(right)) if right else None

    def unparsed(self, control: Control) -> float | None:
        """Share of the answers under one control that name no option; None where it was not run."""
        unparsed = [row.unparsed for row in self.rows if row.control == control]
        return float(np.mean(unparsed)) if unparsed else None

    def accuracy_by_contribution(self) -> dict[str, dict[str, float | None]]:
        """`{strong|weak|all: {control: accuracy}}`, as the summary of a run shows it."""
        groups = {"strong": "contribution", "weak": "contribution", "all": "all"}
        return {
            name: {control: self.accuracy(control, grouping, name) for control in self.controls}
            for name, grouping in groups.items()
        }

    def groups(self) -> list[GroupScores]:
        """The lines of the table: all questions, then every group of every grouping."""
        return [self._group(grouping, name, group) for grouping, name, group in _grouped(self.rows)]

    def predicted_positions(self, control: Control) -> tuple[int, ...]:
        """How often each position was answered under one control; unparsed answers are left out."""
        return position_histogram(
            [row.predicted for row in self.rows if row.control == control and row.predicted is not None]
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything but the single answers, as JSON: `tables[grouping][name]` and the baselines."""
        tables: dict[str, dict[str, Any]] = {grouping: {} for grouping in GROUPINGS}
        for group in self.groups():
            tables[group.grouping][group.name] = group.to_dict()
        return {
            "matcher": self.matcher,
            "resamples": self.resamples,
            "seed": self.seed,
            "baselines": asdict(baselines(self.questions)),
            "predicted_positions": {c: self.predicted_positions(c) for c in self.controls},
            "tables": tables,
        }

    def table(self) -> str:
        """The accuracies in percent with their intervals, and what to compare them with, as text."""
        groups = self.groups()
        header = ["", "questions", "chance", *self.controls]
        header += [f"audio - {control}" for control in groups[0].gains]
        return "\n".join(
            [
                text_table(header, [_table_line(group) for group in groups]),
                "",
                f"Percent [95 % bootstrap interval]; matcher: {self.matcher}; an unparsed answer is wrong.",
                _over_controls("Unparsed", {c: percent(s.unparsed) for c, s in groups[0].scores.items()}),
                _over_controls("Truncated", {c: percent(s.truncated) for c, s in groups[0].scores.items()}),
                *self._baseline_lines(),
            ]
        )

    def _baseline_lines(self) -> list[str]:
        simple = baselines(self.questions)
        answered = {control: str(self.predicted_positions(control)) for control in self.controls}
        return [
            f"Always the first option: {percent(simple.always_first)}; "
            f"always the longest: {percent(simple.longest_option)}.",
            f"Gold positions: {simple.gold_positions}. {_over_controls('Answered positions', answered)}",
        ]

    def _group(self, grouping: str, name: str, rows: Mapping[Control, list[AnswerRow]]) -> GroupScores:
        scores = {control: self._score(of_control) for control, of_control in rows.items()}
        own = rows.get("audio")
        gains: dict[Control, Difference] = {
            control: _difference(own, of_control, self.resamples, self.seed)
            for control, of_control in rows.items()
            if own is not None and control != "audio"
        }
        questions = [row.question for row in next(iter(rows.values()))]
        return GroupScores(grouping, name, len(questions), chance(questions), scores, gains)

    def _score(self, rows: Sequence[AnswerRow]) -> Score:
        right = _right(rows)
        rng = np.random.default_rng(self.seed)
        interval = bootstrap_interval(right, resamples=self.resamples, rng=rng)
        return Score(
            accuracy=float(right.mean()),
            low=interval.low,
            high=interval.high,
            unparsed=float(np.mean([row.unparsed for row in rows])),
            truncated=float(np.mean([row.truncated for row in rows])),
        )


def evaluate(
    questions: Sequence[Question],
    prompts: PromptBuilder,
    worker: RolloutWorker,
    *,
    controls: Sequence[Control] = CONTROLS,
    matcher: Mode = "robust",
    batch_questions: int = 64,
    seed: int = 0,
    max_new_tokens: int = GREEDY_ANSWER_TOKENS,
    resamples: int = 1000,
    label: str = "evaluate",
    processes: Processes = ALONE,
) -> Evaluation:
    """Ask every question greedily under every control; each process asks its share, and all get the whole.

    `seed` draws the mismatched clips and the bootstrap; `label` stands before the progress bar.
    Raises ValueError for no questions or no controls, and what `PromptBuilder.prompt` raises.
    """
    if not questions or not controls:
        raise ValueError(
            f"found {len(questions)} questions and controls {list(controls)}; expected at least one of each"
        )
    answered = _answers(
        questions, prompts, worker, controls, matcher, batch_questions, seed, max_new_tokens, processes
    )
    share = len(processes.share(questions))
    own = list(progress(answered, total=share * len(controls), label=label, unit="question"))
    by_control = [own[number * share : (number + 1) * share] for number in range(len(controls))]
    rows = tuple(row for of_control in by_control for row in processes.unshare(of_control))
    return Evaluation(rows, matcher, resamples, seed)


def compare(
    before: Evaluation, after: Evaluation, control: Control = "audio"
) -> dict[str, dict[str, Difference]]:
    """`{grouping: {name: after minus before}}` under one control, paired over the questions.

    Raises ValueError where the two did not ask the same questions in the same order, or not with `control`.
    """
    if control not in before.controls or control not in after.controls:
        raise ValueError(f"both evaluations need the control {control!r}; evaluate with it")
    if [q.id for q in before.questions] != [q.id for q in after.questions]:
        raise ValueError("the two evaluations asked different questions; evaluate both on the same set")
    earlier = {row.question.id: row for row in before.rows if row.control == control}
    changes: dict[str, dict[str, Difference]] = {grouping: {} for grouping in GROUPINGS}
    for grouping, name, rows in _grouped(after.rows):
        paired = [earlier[row.question.id] for row in rows[control]]
        changes[grouping][name] = _difference(rows[control], paired, after.resamples, after.seed)
    return changes


def _answers(
    questions: Sequence[Question],
    prompts: PromptBuilder,
    worker: RolloutWorker,
    controls: Sequence[Control],
    matcher: Mode,
    batch_questions: int,
    seed: int,
    max_new_tokens: int,
    processes: Processes,
) -> Iterator[AnswerRow]:
    own = processes.share(questions)
    for control in controls:
        partners = list(questions)
        if control == "mismatch":
            partners = [questions[index] for index in mismatch(questions, seed)]
        partners = list(processes.share(partners))
        for start in range(0, len(own), batch_questions):
            asked = own[start : start + batch_questions]
            heard = partners[start : start + batch_questions]
            batch = [prompts.prompt(q, control, partner=p) for q, p in zip(asked, heard, strict=True)]
            groups = worker.generate(batch, greedy(max_new_tokens), (seed, "evaluate", control))
            for question, partner, group in zip(asked, heard, groups, strict=True):
                (completion,) = group.completions
                named = read_answer(completion.text, question, matcher)
                yield AnswerRow(
                    question=question,
                    control=control,
                    heard=partner.id,
                    text=completion.text,
                    status=named.status,
                    predicted=named.index,
                    right=matches(completion.text, question, matcher),
                    truncated=completion.stop_reason == "length",
                )


def _grouped(rows: Sequence[AnswerRow]) -> Iterator[tuple[str, str, dict[Control, list[AnswerRow]]]]:
    """(grouping, name, {control: rows}) of every group that has questions, names in order."""
    for grouping, name_of in GROUPINGS.items():
        groups: dict[str, dict[Control, list[AnswerRow]]] = {}
        for row in rows:
            name = name_of(row.question)
            if name is not None:
                groups.setdefault(name, {}).setdefault(row.control, []).append(row)
        for name in sorted(groups):
            yield grouping, name, groups[name]


def _difference(
    after: Sequence[AnswerRow], before: Sequence[AnswerRow], resamples: int, seed: int
) -> Difference:
    right, other = _right(after), _right(before)
    rng = np.random.default_rng(seed)
    low, high = paired_bootstrap_interval(right, other, resamples=resamples, rng=rng)
    return Difference(float(right.mean() - other.mean()), low, high, mcnemar_p_value(right, other))


def _right(rows: Sequence[AnswerRow]) -> np.ndarray:
    return np.array([row.right for row in rows], dtype=bool)  # [N]


def _source_truth(question: Question) -> str | None:
    truth = _truth(question.text_answerable)
    return truth and f"{question.source}, {truth}"


def _truth(text_answerable: bool | None) -> str | None:
    return {None: None, True: "text-answerable", False: "audio-only"}[text_answerable]


def _table_line(group: GroupScores) -> list[str]:
    title = "all" if group.grouping == "all" else f"{group.grouping}: {group.name}"
    scores = [_with_interval(s.accuracy, Interval(s.low, s.high)) for s in group.scores.values()]
    gains = [_with_interval(g.difference, Interval(g.low, g.high)) for g in group.gains.values()]
    return [title, str(group.questions), percent(group.chance), *scores, *gains]


def _over_controls(what: str, values: Mapping[Control, str]) -> str:
    return f"{what}: {', '.join(f'{control} {value}' for control, value in values.items())}."


def _with_interval(value: float, interval: Interval) -> str:
    return f"{percent(value)} [{percent(interval.low)}, {percent(interval.high)}]"
