"""The completions of a run as the viewer shows them: which steps, which numbers, which flags."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from rlaudio.evaluation.answer_rows import TRUTHS
from rlaudio.runs.files import Json
from rlaudio.runs.rollouts import LearnedGroup
from rlaudio.runs.run import StoredRun
from rlaudio.scorers.exact import exact
from rlaudio.scorers.robust import robust
from rlaudio.types import Completion, Question
from rlaudio.utils.number_format import counted, thousands
from rlaudio.viewer.records import ClipToHear, Column, Viewed, ViewedCompletion, ViewedGroup

DISAGREEMENT = 0.5  # from which on the rewards of a completion disagree
FLAGS = {
    "right": "names the right option, by the scorer robust",
    "parts disagree": f"its rewards, each scaled to 0 .. 1, lie {DISAGREEMENT:g} or more apart",
    "right but unparsed": "right by the scorer robust, but the scorer exact reads no option in it",
    "right in silence too": "right, on a question that text answers: labelled weak, or without contribution "
    "of the audio at that step",
    "unparsed": "the scorer robust reads no option in it",
    "reward failed": "a reward gave no value for it",
    "not learned from": "it has no advantage: its group was left out",
}
TINTS = {
    "log-prob": "log-prob of each token as it was sampled",
    "ratio to the reference": "log-prob as sampled minus that of the reference",
    "ratio to the trainer": "log-prob of the trainer before its first update minus that of the sampler",
    "change under silence": "log-prob as sampled minus that with silence instead of the clip: below 0, the "
    "audio makes the token less likely",
}
Clips = Callable[[Question], Sequence[ClipToHear]]


@dataclass(frozen=True)
class ChosenSteps:
    """The steps whose groups are shown, in their order."""

    groups: Sequence[tuple[str, int, LearnedGroup]]  # stage, step, group
    sentence: str  # which they are


def viewed_completions(run: StoredRun, clips: Clips, most: int) -> Viewed:
    """What a page shows of the run's rollouts, up to `most` completions; the latest steps come first."""
    chosen = choose_steps(run, most)
    labels = _labels(run)
    names = list(dict.fromkeys(name for _, _, group in chosen.groups for name in group.scored.rewards))
    disagreements = iter(_disagreements([group for _, _, group in chosen.groups], names))
    groups = [
        _group(_Place(stage, step, learned), disagreements, labels, clips)
        for stage, step, learned in chosen.groups
    ]
    return Viewed(
        groups=groups,
        columns=[
            Column("total", "total", "weighted sum of the rewards"),
            *(Column(name, "reward", "a reward, unweighted") for name in names),
            Column("advantage", "advantage", "mean over the tokens of the completion"),
            Column("disagreement", "number", "range of the rewards, each scaled to 0 .. 1"),
            Column("tokens", "number", "that were sampled"),
            Column("contribution", "number", "of the audio at that step, -1 to 1", of_group=True),
            Column("label score", "number", "1 minus the share of voters right in silence", of_group=True),
        ],
        flags=FLAGS,
        selection=chosen.sentence,
        tints=TINTS,
    )


def choose_steps(run: StoredRun, most: int) -> ChosenSteps:
    """Whole steps of reinforcement learning, the last one first, then spread ever more densely over the run.

    Of a step that is larger than `most` its first groups are taken. Steps that are damaged are left out.
    """
    stored = [(stage, step) for stage in _sampled_stages(run) for step in run.steps(stage)]
    chosen: dict[tuple[str, int], Sequence[LearnedGroup]] = {}
    left = most
    for stage, step in _spread(stored):
        stored_groups = _read(run, stage, step)
        groups = _fitting(stored_groups, left, whole=bool(chosen))
        if not groups and stored_groups:
            break  # no room for it, nor for steps of its size
        if groups:
            chosen[stage, step] = groups
        left -= sum(len(group.scored.group.completions) for group in groups)
        if left <= 0:
            break
    in_order = [
        (*place, group) for place in sorted(chosen, key=stored.index, reverse=True) for group in chosen[place]
    ]
    return ChosenSteps(in_order, _sentence(most - left, len(chosen), len(stored)))


def _sentence(completions: int, chosen: int, stored: int) -> str:
    if not stored:
        return ""
    if chosen == stored:
        return f"All {counted(completions, 'completion')} of {counted(stored, 'step')}, the latest first."
    return (
        f"{counted(completions, 'completion')} of {thousands(chosen)} of {counted(stored, 'step')}: the last "
        "one and others spread evenly over the run, the latest first; all of them are in rollouts/."
    )


def _sampled_stages(run: StoredRun) -> list[str]:
    """Stages that sampled completions; those of SFT are the data's."""
    return [
        stage
        for stage in run.stages
        if any(row["stage"] == stage and "reward/total" in row for row in run.metrics)
    ]


def _read(run: StoredRun, stage: str, step: int) -> Sequence[LearnedGroup]:
    return run.files.optional(lambda: run.rollouts(stage, step, samples=False), [])


def _fitting(groups: Sequence[LearnedGroup], most: int, *, whole: bool) -> Sequence[LearnedGroup]:
    """The first groups with at most so many completions; none, if all are wanted and they do not fit."""
    ends = np.cumsum([len(group.scored.group.completions) for group in groups], dtype=int)
    fit = int((ends <= most).sum())
    return [] if whole and fit < len(groups) else groups[:fit]


def _spread(places: Sequence[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """The last one, the first one, then ever halving the gaps between them."""
    taken: set[int] = set()
    parts = 1
    while len(taken) < len(places):
        for part in range(parts, -1, -1):
            at = round(Fraction((len(places) - 1) * part, parts))
            if at not in taken:
                taken.add(at)
                yield places[at]
        parts *= 2


# --- groups --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Place:
    stage: str
    step: int
    learned: LearnedGroup


def _labels(run: StoredRun) -> Mapping[str, Json]:
    """What voting said of each question to train on."""
    return {row["id"]: row for row in run.label_rows()}


def _group(
    place: _Place, disagreements: Iterator[float], labels: Mapping[str, Json], clips: Clips
) -> ViewedGroup:
    learned = place.learned
    question = learned.scored.group.prompt.question
    label = labels.get(question.id)
    facts = dict(question.groups)
    if label:
        facts["contribution"] = label["contribution"]
    if question.text_answerable is not None:
        facts["truth"] = TRUTHS[question.text_answerable]
    by_text = facts.get("contribution") == "weak" or (
        learned.contribution is not None and learned.contribution <= 0
    )
    return ViewedGroup(
        question_id=question.id,
        question=question.question,
        completions=[
            _completion(learned, sample, next(disagreements), by_text)
            for sample in range(len(learned.scored.group.completions))
        ],
        options=question.choices,
        gold=getattr(question.target, "gold", None),
        answer=question.answer,
        stage=place.stage,
        step=place.step,
        facts=facts,
        values={
            "contribution": learned.contribution,
            "label score": label.get("score") if label else None,
        },
        clips=clips(question),
    )


def _completion(learned: LearnedGroup, sample: int, disagreement: float, by_text: bool) -> ViewedCompletion:
    scored = learned.scored
    completion = scored.group.completions[sample]
    advantage = learned.advantages[sample] if sample < len(learned.advantages) else None
    flags = set(flags_of(scored.group.prompt.question, completion.text, by_text=by_text))
    if disagreement >= DISAGREEMENT:
        flags.add("parts disagree")
    if any(failure.sample == sample for failure in scored.failures):
        flags.add("reward failed")
    if learned.advantages and advantage is None:
        flags.add("not learned from")
    return ViewedCompletion(
        text=completion.text,
        values={
            "total": float(scored.total[sample]),
            **{name: float(values[sample]) for name, values in scored.rewards.items()},
            "advantage": float(np.mean(advantage)) if advantage is not None and len(advantage) else None,
            "disagreement": disagreement,
            "tokens": completion.length,
        },
        flags=frozenset(flags),
        stop_reason=completion.stop_reason,
        pieces=completion.token_texts,
        tints=_tints(completion, learned.signals[sample] if sample < len(learned.signals) else {}),
    )


def flags_of(question: Question, text: str, *, by_text: bool) -> Iterator[str]:
    """What the scorers say of an answer; `by_text`: the text of the question gives it away."""
    if not question.choices or not question.is_published:
        return
    read = robust(question, text)
    if read.right:
        yield "right"
        if by_text:
            yield "right in silence too"
        if exact(question, text).read is None:
            yield "right but unparsed"
    if read.read is None:
        yield "unparsed"


def _tints(completion: Completion, signals: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    sampled = completion.logprobs
    tints = {"log-prob": sampled}
    for name, signal, sign in (
        ("ratio to the reference", "reference", 1),
        ("ratio to the trainer", "old", -1),
        ("change under silence", "silence", 1),
    ):
        if signal in signals and len(signals[signal]) == len(sampled):
            tints[name] = sign * (sampled - signals[signal])
    return tints


# --- disagreement --------------------------------------------------------------------------------


def _disagreements(groups: Sequence[LearnedGroup], names: Sequence[str]) -> list[float]:
    """Of every completion, over the rewards that count in the total."""
    weighed = [name for name in names if any(group.scored.weights.get(name, 1.0) for group in groups)]
    columns = [
        [
            value
            for group in groups
            for value in group.scored.rewards.get(name, np.full(len(group.scored.total), np.nan))
        ]
        for name in weighed
    ]
    count = sum(len(group.scored.total) for group in groups)
    return disagreement(np.array(columns, dtype=np.float64).reshape(len(weighed), count)).tolist()


def disagreement(rewards: np.ndarray) -> np.ndarray:
    """Range of the rewards [R, N] of each completion [N], every reward scaled to 0 .. 1 over all of them.

    Rewards that are the same everywhere have no part in it, nor those that are NaN for a completion.
    """
    finite = np.where(np.isfinite(rewards), rewards, np.nan)
    known = np.isfinite(finite)
    low = np.where(known, finite, np.inf).min(axis=1, initial=np.inf)[:, None]
    high = np.where(known, finite, -np.inf).max(axis=1, initial=-np.inf)[:, None]
    varies = (high > low)[:, 0]
    known, scaled = known[varies], (finite[varies] - low[varies]) / (high[varies] - low[varies])
    most = np.where(known, scaled, -np.inf).max(axis=0, initial=-np.inf)
    least = np.where(known, scaled, np.inf).min(axis=0, initial=np.inf)
    return np.where(most >= least, most - least, 0.0)
