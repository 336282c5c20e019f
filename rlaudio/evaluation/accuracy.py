"""Does the model answer right, and does it need the audio for it? Greedy accuracy with controls.

Every question is asked with its own clip, with silence of the same length and with the clip of another
question. Scorers decide what is right: the evaluation's own, on which tables are based, and others, such as
that of the reward or the official one of a benchmark, whose accuracies are shown beside it. The evaluation's
own counts every question; of another scorer's accuracy the answers that it does not count are left out.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from rlaudio.answers.unparsed import warn_if_unparsed
from rlaudio.audio.controls import lenders
from rlaudio.evaluation.baselines import baselines, chance, position_histogram
from rlaudio.evaluation.statistics import (
    Interval,
    accuracy_interval,
    difference_interval,
    mcnemar_p_value,
    mean_interval,
)
from rlaudio.prompts.builder import PromptBuilder
from rlaudio.prompts.wording import STYLE
from rlaudio.rollout.worker import RolloutWorker
from rlaudio.types import ContributionLabel, Control, Dataset, Question, Scorer, Verdict, greedy
from rlaudio.utils.number_format import percent
from rlaudio.utils.processes import ALONE, Processes
from rlaudio.utils.progress import progress
from rlaudio.utils.text_table import text_table

TRUTHS = {True: "text-answerable", False: "audio-only"}  # names of the groups of the grouping "truth"


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """How a model is evaluated."""

    controls: Sequence[Control]
    scorers: Mapping[str, Scorer]  # by name; the first is the evaluation's own, the others are shown beside
    batch_questions: int  # per request
    max_new_tokens: int  # per answer
    seed: int  # of the mismatched clips
    orders: int = 1  # cyclic orders of the options in which every question is asked


@dataclass(frozen=True)
class AnswerRow:
    """One question under one control, and what was answered."""

    question: Question
    control: Control
    heard: str  # id of the question whose clip was heard (silence: whose clip gave the length)
    text: str
    verdicts: Mapping[str, Verdict]  # by scorer, the evaluation's own first
    truncated: bool  # stopped by the token limit
    contribution: ContributionLabel | None = None
    order: int = 0  # places by which the options were moved forward

    @property
    def groups(self) -> dict[str, str]:
        """The name of the row's group in every grouping; a grouping is left out where it is not known."""
        names = {"all": "all", **self.question.groups}
        if self.contribution:
            names["contribution"] = self.contribution
        if self.question.text_answerable is not None:
            truth = names["truth"] = TRUTHS[self.question.text_answerable]
            if "source" in names:
                names["source_truth"] = f"{names['source']}, {truth}"
        return names

    @property
    def verdict(self) -> Verdict:
        """The verdict of the evaluation's own scorer."""
        return next(iter(self.verdicts.values()))

    def to_dict(self) -> dict[str, Any]:
        """The row as JSON; the verdict of the evaluation's own scorer is also stored flat."""
        question = self.question
        return {
            "id": question.id,
            "control": self.control,
            "order": self.order,
            "heard": self.heard,
            "groups": dict(question.groups),
            "contribution": self.contribution,
            "text_answerable": question.text_answerable,
            "question": question.question,
            "clips": list(question.clip_names),
            "choices": list(question.choices),
            "answer": question.answer,
            "text": self.text,
            "status": self.verdict.status,
            "predicted": self.verdict.read,
            "right": self.verdict.right,
            "truncated": self.truncated,
            "verdicts": {scorer: asdict(verdict) for scorer, verdict in self.verdicts.items()},
        }


@dataclass(frozen=True)
class Score:
    """Results of one group of questions under one control; fractions."""

    accuracy: float
    low: float  # 95 % interval of this model's accuracy, by Wilson
    high: float
    unparsed: float
    truncated: float
    counted: int  # answers in the denominator


@dataclass(frozen=True)
class Difference:
    """Accuracy minus another accuracy on the same questions."""

    difference: float
    low: float  # 95 % interval over the questions, by Bonett and Price
    high: float
    p_value: float | None  # McNemar's exact test; None where both are right on the very same questions


@dataclass(frozen=True)
class GroupScores:
    """One line of the table: a group of questions under every control."""

    grouping: str  # "all", one of the questions' groups, "contribution", "truth" or "source_truth"
    name: str
    questions: int
    chance: float
    scores: Mapping[Control, Score]
    gains: Mapping[Control, Difference]  # own audio minus this control
    other_scores: Mapping[str, Mapping[Control, Score]]  # by every scorer but the evaluation's own

    def to_dict(self) -> dict[str, Any]:
        """The line as JSON, without grouping and name."""
        return {
            "questions": self.questions,
            "chance": self.chance,
            "scores": {control: asdict(score) for control, score in self.scores.items()},
            "gains": {control: asdict(gain) for control, gain in self.gains.items()},
            "other_scores": {
                scorer: {control: asdict(score) for control, score in scores.items()}
                for scorer, scores in self.other_scores.items()
            },
        }


@dataclass(frozen=True)
class Evaluation:
    """All answers, from which all tables are computed."""

    rows: tuple[AnswerRow, ...]  # control by control, the questions in the same order each time
    seed: int  # of the mismatched clips
    reordered: tuple[AnswerRow, ...] = ()  # answers to the same questions in other orders of their options
    provenance: Mapping[str, str] = field(default_factory=dict)  # what was asked, see `provenance_of`

    @property
    def controls(self) -> tuple[Control, ...]:
        """The controls in the order in which they were run."""
        return tuple(dict.fromkeys(row.control for row in self.rows))

    @property
    def questions(self) -> list[Question]:
        """The questions, each once."""
        return [row.question for row in self.rows if row.control == self.controls[0]]

    @property
    def scorers(self) -> tuple[str, ...]:
        """Names of the scorers, the evaluation's own first."""
        return tuple(self.rows[0].verdicts)

    def accuracy(
        self, control: Control, grouping: str = "all", name: str = "all", scorer: str | None = None
    ) -> float | None:
        """Accuracy of one group under one control; None where it has no questions.

        Here and below `scorer` names one of the scorers; None: the evaluation's own.
        """
        scorer = scorer or self.scorers[0]
        verdicts = [
            row.verdicts[scorer]
            for row in self.rows
            if row.control == control and row.groups.get(grouping) == name
        ]
        points = [verdict.points for verdict in self._counted(verdicts, scorer)]
        return float(np.mean(points)) if points else None

    def unparsed(self, control: Control, scorer: str | None = None) -> float | None:
        """Share of the answers under one control that name no option; None where it was not run."""
        scorer = scorer or self.scorers[0]
        unparsed = [row.verdicts[scorer].unparsed for row in self.rows if row.control == control]
        return float(np.mean(unparsed)) if unparsed else None

    def warn_if_unparsed(self, model: str) -> None:
        """Warn where most answers to the questions with their audio name no option; `model` names it."""
        warn_if_unparsed(f"{model}, with audio", self.unparsed("audio") or 0.0, "accuracies say little")

    def accuracy_by_contribution(self, scorer: str | None = None) -> dict[str, dict[str, float | None]]:
        """`{strong|weak|all: {control: accuracy}}`, as the summary of a run shows it."""
        groups = {"strong": "contribution", "weak": "contribution", "all": "all"}
        return {
            name: {control: self.accuracy(control, grouping, name, scorer) for control in self.controls}
            for name, grouping in groups.items()
        }

    def metrics(self) -> dict[str, float]:
        """Accuracies and unparsed answers by metric name; those by other scorers end with the scorer's."""
        suffixes = {scorer: f"_{scorer}" for scorer in self.scorers} | {self.scorers[0]: ""}
        accuracies = {
            f"eval/{contribution}_{control}{suffix}": value
            for scorer, suffix in suffixes.items()
            for contribution, by_control in self.accuracy_by_contribution(scorer).items()
            for control, value in by_control.items()
            if value is not None
        }
        unparsed = {f"eval/unparsed{end}": self.unparsed("audio", name) for name, end in suffixes.items()}
        return accuracies | {name: share or 0.0 for name, share in unparsed.items()}

    def groups(self) -> list[GroupScores]:
        """The lines of the table: all questions, then every group of every grouping."""
        return [self._group(grouping, name, group) for grouping, name, group in _grouped(self.rows)]

    @property
    def published(self) -> bool:
        """Whether it is known what is right; else there is no accuracy."""
        return self.questions[0].is_published

    def _unscored(self) -> str:
        """What can be said where the right answers are not published."""
        unparsed = {control: percent(self.unparsed(control)) for control in self.controls}
        answered = {control: str(self.predicted_positions(control)) for control in self.controls}
        return "\n".join(
            [
                f"The answers to the {len(self.questions)} questions are not published: no accuracy.",
                _over_controls("Unparsed", unparsed),
                _over_controls("Answered positions", answered),
            ]
        )

    def disagreements(self) -> list[tuple[str, AnswerRow]]:
        """The answers about which another scorer says otherwise than the evaluation's own, with its name.

        One that it leaves out is such an answer, too.
        """
        return [
            (scorer, row)
            for scorer in self.scorers[1:]
            for row in self.rows
            if (row.verdicts[scorer].right, row.verdicts[scorer].counted) != (row.verdict.right, True)
        ]

    def predicted_positions(self, control: Control) -> tuple[int, ...]:
        """How often each position was answered under one control; unparsed answers are left out."""
        read = [row.verdict.read for row in self.rows if row.control == control]
        return position_histogram([position for position in read if position is not None])

    def to_dict(self) -> dict[str, Any]:
        """Everything but the single answers, as JSON: `tables[grouping][name]` and the baselines."""
        if not self.published:
            return {"scorer": self.scorers[0], "provenance": dict(self.provenance), "published": False}
        tables: dict[str, dict[str, Any]] = {}
        for group in self.groups():
            tables.setdefault(group.grouping, {})[group.name] = group.to_dict()
        return {
            "scorer": self.scorers[0],
            "provenance": dict(self.provenance),
            "seed": self.seed,
            "baselines": asdict(baselines(self.questions)),
            "s_audio": self.s_audio(),
            "zero_contribution": self.zero_contribution(),
            "orders": {c: self.by_order(c) for c in self.controls} if self.reordered else {},
            "stable": {c: self.stable(c) for c in self.controls} if self.reordered else {},
            "predicted_positions": {c: self.predicted_positions(c) for c in self.controls},
            "tables": tables,
        }

    def table(self) -> str:
        """The accuracies in percent with their intervals, and what to compare them with, as text."""
        if not self.published:
            return self._unscored()
        groups = self.groups()
        header = ["", "questions", "chance", *self.controls]
        header += [f"audio - {control}" for control in groups[0].gains]
        return "\n".join(
            [
                text_table(header, [_table_line(group) for group in groups]),
                "",
                f"Percent [95 % interval]; scorer: {self.scorers[0]}; an unparsed answer is wrong.",
                *self._provenance_lines(),
                *_other_lines(groups),
                *self._left_out_lines(),
                _over_controls("Unparsed", {c: percent(s.unparsed) for c, s in groups[0].scores.items()}),
                _over_controls("Truncated", {c: percent(s.truncated) for c, s in groups[0].scores.items()}),
                *self._audio_lines(),
                *self._order_lines(),
                *self._baseline_lines(),
            ]
        )

    def _provenance_lines(self) -> Iterator[str]:
        if self.provenance:
            yield "Asked: " + "; ".join(f"{name} {value}" for name, value in self.provenance.items()) + "."

    def _left_out_lines(self) -> Iterator[str]:
        """Why other scorers left answers out, each scorer's most frequent reason."""
        for scorer in self.scorers[1:]:
            verdicts = [row.verdicts[scorer] for row in self.rows]
            reasons = Counter(verdict.reason for verdict in verdicts if not verdict.counted)
            for reason, count in reasons.most_common(1):
                share = f"{reasons.total()} of {len(verdicts)} answers"
                yield f"Left out by {scorer}: {share}, {count} of them since: {reason}"

    def s_audio(self) -> float | None:
        """Accuracy with audio minus the mean of those in silence and with other audio; None if not asked so.

        KAIST, arXiv:2609.04637.
        """
        audio, silent, other = self.accuracy("audio"), self.accuracy("silence"), self.accuracy("mismatch")
        return None if audio is None or silent is None or other is None else audio - (silent + other) / 2

    def zero_contribution(self) -> float | None:
        """Share of the questions about audio that are answered right with it and in silence alike.

        Their audio contribution is 0 although the model knows the answer, arXiv:2509.21060.
        """
        right = {
            control: [row.verdict.right for row in self.rows if row.control == control and row.question.clips]
            for control in ("audio", "silence")
        }
        if not all(right.values()):
            return None
        return float(np.mean([a and b for a, b in zip(*right.values(), strict=True)]))

    def stable(self, control: Control = "audio") -> float | None:
        """Share right in every order, of the questions that were asked in all; None for one order."""
        right = self._right_by_order(control)
        return float(np.mean(np.logical_and.reduce(right))) if len(right) > 1 else None

    def by_order(self, control: Control = "audio") -> list[float]:
        """Accuracy in every order, the data's own first, of the questions that were asked in all of them."""
        return [float(np.mean(of_order)) for of_order in self._right_by_order(control)]

    def _right_by_order(self, control: Control) -> list[list[bool]]:
        """Of every order the verdicts on the questions that were asked in all; others have fewer options."""
        rows = [row for row in (*self.rows, *self.reordered) if row.control == control]
        right = {(row.question.id, row.order): row.verdict.right for row in rows}
        last = max((row.order for row in rows), default=0)
        whole = [id for id, order in right if order == last]
        return [[right[id, order] for id in whole] for order in range(last + 1)]

    def _order_lines(self) -> Iterator[str]:
        stable = self.stable(self.controls[0])
        if stable is not None:
            right, of = self._right_by_order(self.controls[0]), len(self.questions)
            some = f" ({len(right[0])} of {of} questions, those with enough options)"
            accuracies = ", ".join(map(percent, self.by_order(self.controls[0])))
            title = "Right in every order of the options" + some * (len(right[0]) < of)
            yield f"{title}: {percent(stable)}; by order: {accuracies}."

    def _audio_lines(self) -> Iterator[str]:
        s_audio, zero = self.s_audio(), self.zero_contribution()
        if s_audio is not None:
            yield f"S_audio (audio minus the mean of silence and mismatch): {percent(s_audio)}."
        if zero is not None:
            yield f"Right with audio and in silence alike: {percent(zero)}."

    def _baseline_lines(self) -> list[str]:
        simple = baselines(self.questions)
        answered = {control: str(self.predicted_positions(control)) for control in self.controls}
        return [
            f"Always the first option: {percent(simple.always_first)}; "
            f"always the longest: {percent(simple.longest_option)}.",
            f"Gold positions: {simple.gold_positions}. {_over_controls('Answered positions', answered)}",
        ]

    def _group(self, grouping: str, name: str, rows: Mapping[Control, list[AnswerRow]]) -> GroupScores:
        by_scorer = {
            scorer: {control: self._score(of_control, scorer) for control, of_control in rows.items()}
            for scorer in self.scorers
        }
        scores = {
            scorer: {control: score for control, score in by_control.items() if score is not None}
            for scorer, by_control in by_scorer.items()
        }
        with_audio = rows.get("audio")
        gains: dict[Control, Difference] = {
            control: _difference(with_audio, of_control)
            for control, of_control in rows.items()
            if with_audio is not None and control != "audio"
        }
        questions = [row.question for row in next(iter(rows.values()))]
        return GroupScores(
            grouping=grouping,
            name=name,
            questions=len(questions),
            chance=chance(questions),
            scores=scores.pop(self.scorers[0]),
            gains=gains,
            other_scores=scores,
        )

    def _counted(self, verdicts: Sequence[Verdict], scorer: str) -> list[Verdict]:
        """The verdicts in the scorer's denominator: for the evaluation's own all of them."""
        return [verdict for verdict in verdicts if verdict.counted or scorer == self.scorers[0]]

    def _score(self, rows: Sequence[AnswerRow], scorer: str) -> Score | None:
        """None where the scorer counts no answer."""
        verdicts = [row.verdicts[scorer] for row in rows]
        counted = self._counted(verdicts, scorer)
        if not counted:
            return None
        points = np.array([verdict.points for verdict in counted])  # [N]
        graded = any(verdict.score is not None for verdict in counted)
        interval = mean_interval(points) if graded else accuracy_interval(points.astype(bool))
        return Score(
            accuracy=float(points.mean()),
            low=interval.low,
            high=interval.high,
            unparsed=float(np.mean([verdict.unparsed for verdict in verdicts])),
            truncated=float(np.mean([row.truncated for row in rows])),
            counted=len(counted),
        )


def check_published(questions: Sequence[Question]) -> None:
    """Raise ValueError where the right answers of some questions are published and those of others not."""
    hidden = [question.id for question in questions if not question.is_published]
    if hidden and len(hidden) < len(questions):
        raise ValueError(
            f"the answers to {len(hidden)} of {len(questions)} questions are not published, such as that to "
            f"{hidden[0]}; expected all or none to be; leave these questions out"
        )


def provenance_of(questions: Sequence[Question]) -> dict[str, str]:
    """Benchmark and version, style of the prompts, digest of all texts with their ids and names of clips."""
    data = Dataset.of(questions)
    styles = sorted({question.style or STYLE for question in questions})
    digest = hashlib.blake2b(digest_size=6)
    for question in questions:
        names = [Path(name).name for name in question.clip_names]
        digest.update(json.dumps([question.id, question.text_digest, names]).encode())
    known = {"benchmark": f"{data.benchmark.name} {data.benchmark.version}"} if data.benchmark else {}
    return known | {"style": ", ".join(styles), "data": digest.hexdigest()}


def evaluate(
    questions: Sequence[Question],
    prompts: PromptBuilder,
    worker: RolloutWorker,
    settings: EvaluationSettings,
    *,
    label: str = "evaluate",
    processes: Processes = ALONE,
) -> Evaluation:
    """Ask every question greedily under every control; each process asks its share, and all get all answers.

    `label` is shown before the progress bar. Answers to a benchmark are scored by its official rule, too.
    Raises ValueError for no questions, controls or scorers, and what `PromptBuilder.prompt` raises.
    """
    benchmark = Dataset.of(questions).benchmark
    if benchmark:
        settings = replace(settings, scorers={**settings.scorers, benchmark.name: benchmark.scorer})
    controls, scorers = settings.controls, settings.scorers
    if not questions or not controls or not scorers:
        raise ValueError(
            f"found {len(questions)} questions, controls {list(controls)} and scorers {list(scorers)}; "
            "expected at least one of each"
        )
    check_published(questions)
    for control in controls:  # refused before anything is asked
        lenders(questions, control, settings.seed)
    answered = _answers(questions, prompts, worker, settings, processes)
    share = len(processes.share(questions))
    local = list(progress(answered, total=share * len(controls), label=label, unit="question"))
    by_control = [local[number * share : (number + 1) * share] for number in range(len(controls))]
    answers = [rows for of_control in by_control for rows in processes.unshare(of_control)]
    reordered = tuple(row for _, *others in answers for row in others)
    return Evaluation(
        tuple(first for first, *_ in answers), settings.seed, reordered, provenance_of(questions)
    )


def _answers(
    questions: Sequence[Question],
    prompts: PromptBuilder,
    worker: RolloutWorker,
    settings: EvaluationSettings,
    processes: Processes,
) -> Iterator[list[AnswerRow]]:
    """The answers to this process's questions under every control: each in the data's order, then in others.

    All orders of a question are asked together: they share its clip, which is computed once.
    """
    local = processes.share(questions)
    contributions = Dataset.of(questions).contributions
    sampling, size = greedy(settings.max_new_tokens), max(1, settings.batch_questions // settings.orders)
    for control in settings.controls:
        lent = [questions[index] for index in lenders(questions, control, settings.seed)]
        pairs = list(zip(local, processes.share(lent), strict=True))
        for start in range(0, len(pairs), size):
            asked = [
                (number, order, question.rotated(order) if order else question, partner)
                for number, (question, partner) in enumerate(pairs[start : start + size])
                for order in range(min(settings.orders, max(1, len(question.choices))))
            ]
            batch = [prompts.prompt(question, control, partner=partner) for _, _, question, partner in asked]
            groups = worker.generate(batch, sampling, (settings.seed, "evaluate", control))
            rows: dict[int, list[AnswerRow]] = {}
            for (number, order, question, partner), group in zip(asked, groups, strict=True):
                (completion,) = group.completions
                stated = contributions.get(question.id)
                row = AnswerRow(
                    question=question,
                    control=control,
                    heard=partner.id,
                    text=completion.text,
                    verdicts={
                        name: score(question, completion.text) for name, score in settings.scorers.items()
                    },
                    truncated=completion.stop_reason == "length",
                    contribution=stated.label if stated else None,
                    order=order,
                )
                rows.setdefault(number, []).append(row)
            yield from rows.values()


def _grouped(rows: Sequence[AnswerRow]) -> Iterator[tuple[str, str, dict[Control, list[AnswerRow]]]]:
    """(grouping, name, {control: rows}) of every group that has questions, names in order."""
    for grouping in dict.fromkeys(grouping for row in rows for grouping in row.groups):
        groups: dict[str, dict[Control, list[AnswerRow]]] = {}
        for row in rows:
            if grouping in row.groups:
                groups.setdefault(row.groups[grouping], {}).setdefault(row.control, []).append(row)
        for name in sorted(groups):
            yield grouping, name, groups[name]


def _difference(after: Sequence[AnswerRow], before: Sequence[AnswerRow]) -> Difference:
    right, other = _right(after), _right(before)
    p_value = None if (right == other).all() else mcnemar_p_value(right, other)
    return Difference(float(right.mean() - other.mean()), *difference_interval(right, other), p_value)


def _right(rows: Sequence[AnswerRow]) -> np.ndarray:
    """[N] bool, by the evaluation's own scorer."""
    return np.array([row.verdict.right for row in rows], dtype=bool)


def _table_line(group: GroupScores) -> list[str]:
    title = "all" if group.grouping == "all" else f"{group.grouping}: {group.name}"
    scores = [_with_interval(s.accuracy, Interval(s.low, s.high)) for s in group.scores.values()]
    gains = [_with_interval(g.difference, Interval(g.low, g.high)) for g in group.gains.values()]
    return [title, str(group.questions), percent(group.chance), *scores, *gains]


def _other_lines(groups: Sequence[GroupScores]) -> Iterator[str]:
    """The accuracies by other scorers: of all questions, of strong and of weak ones."""
    for group in groups:
        if group.grouping in ("all", "contribution"):
            for scorer, scores in group.other_scores.items():
                accuracies = {control: _of_counted(score, group) for control, score in scores.items()}
                what = f"By {scorer}, {group.name}"
                yield _over_controls(what, accuracies) if accuracies else f"{what}: no answer is counted."


def _of_counted(score: Score, group: GroupScores) -> str:
    left_out = group.questions - score.counted
    return percent(score.accuracy) + (f" ({left_out} of {group.questions} left out)" if left_out else "")


def _over_controls(what: str, values: Mapping[Control, str]) -> str:
    return f"{what}: {', '.join(f'{control} {value}' for control, value in values.items())}."


def _with_interval(value: float, interval: Interval) -> str:
    return f"{percent(value)} [{percent(interval.low)}, {percent(interval.high)}]"
