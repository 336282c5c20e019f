"""Asking a model every question greedily, under every control, and scoring what it answers.

Every question is asked with its own clip, with silence of the same length, with the clip of another question,
or what else the controls say.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rlaudio.audio.controls import lenders
from rlaudio.data.option_orders import orders_of, tell_of_one_order
from rlaudio.evaluation.accuracy import Evaluation
from rlaudio.evaluation.answer_rows import AnswerRow
from rlaudio.prompts.builder import PromptBuilder
from rlaudio.prompts.wording import STYLE
from rlaudio.rollout.worker import RolloutWorker
from rlaudio.scorers.calling import verdicts_on
from rlaudio.types import Control, Dataset, Prompt, Question, Scorer, greedy
from rlaudio.utils.ahead import one_ahead
from rlaudio.utils.number_format import of_all
from rlaudio.utils.processes import ALONE, Processes
from rlaudio.utils.progress import progress

STRONG_AND_WEAK = "strong and weak"  # key of what says so, in an evaluation's provenance


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """How a model is evaluated."""

    controls: Sequence[Control]
    scorers: Mapping[str, Scorer]  # by name; the first is the evaluation's own, the others are shown beside
    batch_questions: int  # per request
    max_new_tokens: int  # per answer
    seed: int  # of the mismatched clips
    orders: int = 1  # cyclic orders of the options in which every question is asked


def check_published(questions: Sequence[Question]) -> None:
    """Raise ValueError where the right answers of some questions are published and those of others not."""
    hidden = [question.id for question in questions if not question.is_published]
    if hidden and len(hidden) < len(questions):
        raise ValueError(
            f"the answers to {of_all(len(hidden), len(questions))} questions are not published, such as that "
            f"to {hidden[0]}; expected all or none to be; leave these questions out"
        )


def provenance_of(questions: Sequence[Question]) -> dict[str, str]:
    """Benchmark and version, style of the prompts, digest of all texts with their ids and names of clips, and
    what says which questions are strong: the known truth, which a model's evaluation takes, or labels."""
    data = Dataset.of(questions)
    styles = sorted({question.style or STYLE for question in questions})
    digest = hashlib.blake2b(digest_size=6)
    for question in questions:
        names = [Path(name).name for name in question.clip_names]
        digest.update(json.dumps([question.id, question.text_digest, names]).encode())
    known = {"benchmark": f"{data.benchmark.name} {data.benchmark.version}"} if data.benchmark else {}
    known |= {"style": ", ".join(styles), "data": digest.hexdigest()}
    kinds = Counter("truth" if c.method == "truth" else "labels" for c in data.contributions.values())
    several = [f"the {kind} ({count})" if len(kinds) > 1 else f"the {kind}" for kind, count in kinds.items()]
    return known | ({STRONG_AND_WEAK: f"by {' and '.join(several)}"} if several else {})


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
    if settings.orders > 1 and processes.rank == 0:
        tell_of_one_order(questions, label)
    answered = _answers(questions, prompts, worker, settings, processes)
    share = len(processes.share(questions))
    local = list(progress(answered, total=share * len(controls), label=label, unit="prompt"))
    by_control = [local[number * share : (number + 1) * share] for number in range(len(controls))]
    answers = [rows for of_control in by_control for rows in processes.unshare(of_control)]
    reordered = tuple(row for _, *others in answers for row in others)
    return Evaluation(
        tuple(first for first, *_ in answers), settings.seed, reordered, provenance_of(questions)
    )


class _Asked(NamedTuple):
    """A question in one of its orders."""

    number: int  # of the question in its batch
    order: int
    question: Question
    partner: Question  # whose clip may be heard
    prompt: Prompt


class _Batch(NamedTuple):
    """What is asked together: all orders of some questions under one control."""

    control: Control
    asked: list[_Asked]


def _batch(
    pairs: Sequence[tuple[Question, Question]], prompts: PromptBuilder, control: Control, orders: int
) -> _Batch:
    """The questions with their partners, each in its orders one after another."""
    asked = []
    for number, (question, partner) in enumerate(pairs):
        for order, rotated in enumerate(orders_of(question, orders)):
            prompt = prompts.prompt(rotated, control, partner=partner)
            asked.append(_Asked(number, order, rotated, partner, prompt))
    return _Batch(control, asked)


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
    makers = []
    for control in settings.controls:
        lent = [questions[index] for index in lenders(questions, control, settings.seed)]
        pairs = list(zip(local, processes.share(lent), strict=True))
        batches = [pairs[start : start + size] for start in range(0, len(pairs), size)]
        makers += [partial(_batch, batch, prompts, control, settings.orders) for batch in batches]
    for control, asked in one_ahead(makers):
        groups = worker.generate(
            [row.prompt for row in asked], sampling, (settings.seed, "evaluate", control)
        )
        completions = [completion for group in groups for completion in group.completions]
        answers = [(row.question, done.text) for row, done in zip(asked, completions, strict=True)]
        verdicts = verdicts_on(answers, settings.scorers)
        rows: dict[int, list[AnswerRow]] = {}
        for row, completion, by_scorer in zip(asked, completions, verdicts, strict=True):
            stated = contributions.get(row.question.id)
            answer = AnswerRow(
                question=row.question,
                control=control,
                heard=row.partner.id,
                text=completion.text,
                verdicts=by_scorer,
                truncated=completion.stop_reason == "length",
                contribution=stated.label if stated else None,
                order=row.order,
            )
            rows.setdefault(row.number, []).append(answer)
        yield from rows.values()
