"""Curricula that observe: what a stage's steps showed decides which questions its next steps draw."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from numbers import Integral
from typing import Any, Protocol

import numpy as np

from rlaudio.types import Question
from rlaudio.utils.messages import shown

_METHODS = ("select", "observe", "state_dict", "load_state_dict")
_FLAGS = ("finished", "reads_evaluation")


@dataclass(frozen=True)
class QuestionResult:
    """What one step showed of one question, with the policy that sampled."""

    question_id: str
    success_rate: float  # share of completions that succeeded (contribution.success); NaN: none has a value
    contribution: float | None = None  # of the audio, -1 to 1, where the step measured it


@dataclass(frozen=True)
class StepResults:
    """What a step showed. In SFT there are no `questions` with rewards, so they are empty."""

    questions: tuple[QuestionResult, ...]
    metrics: Mapping[str, float]  # as logged, with those of a held-out evaluation where it was made


class Selector(Protocol):
    """Chooses the questions of a stage's steps, and when it ends: `Stage(..., selector=...)`.

    It must follow from its state alone, and its state from what it observed: then a run that is resumed gives
    the numbers of one that was not interrupted, on any number of processes, which all observe the same.
    """

    contribution_every: int  # steps between measurements of the policy's own contribution; 0: none
    reads_evaluation: bool  # whether it waits for metrics `eval/...`, which recipes may switch off

    @property
    def finished(self) -> bool:
        """Whether the stage ends before its steps are used up."""

    def select(
        self, questions: Sequence[Question], count: int, rng: np.random.Generator
    ) -> Sequence[Question] | None:
        """`count` of the stage's questions; None for the stage's own order, that draws all equally."""

    def observe(self, results: StepResults) -> None:
        """Take in what a step showed, before the next one is drawn."""

    def state_dict(self) -> dict[str, Any]:
        """What was observed, as JSON holds it."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""


@dataclass
class Observed:
    """The latest that was seen of every question, by id, and of every metric, by name."""

    success_rates: dict[str, float] = field(default_factory=dict)
    contributions: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)


def _never(seen: Observed) -> bool:
    return False


@dataclass(kw_only=True)
class Weighted:
    """A selector that draws questions by a weight, without repeats within a step.

    `weigh` gives every question of the stage its weight, at least 0; None keeps the stage's order. Where
    fewer questions have one than a step needs, they are drawn again. With `group` every group of questions
    has its share of a step, that of its weights in all weights, and is drawn again where it is smaller.
    """

    weigh: Callable[[Sequence[Question], Observed], Sequence[float]] | None = None
    group: Callable[[Question], str] | None = None  # the name of a question's group
    ends: Callable[[Observed], bool] = _never
    contribution_every: int = 0
    reads_evaluation: bool = False
    seen: Observed = field(default_factory=Observed)

    @property
    def finished(self) -> bool:
        """Whether the stage ends before its steps are used up."""
        return bool(self.ends(self.seen))

    def select(
        self, questions: Sequence[Question], count: int, rng: np.random.Generator
    ) -> Sequence[Question] | None:
        """`count` questions by weight (A-Res, Efraimidis and Spirakis, 2006); none if no weight is above 0.

        Raises ValueError for a weight below 0 or not finite.
        """
        if self.weigh is None:
            return None
        weights = np.array(self.weigh(questions, self.seen), dtype=np.float64)
        refused = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0.0)))
        if len(refused):
            wrong = int(refused[0])
            raise ValueError(
                f"question {questions[wrong].id} has the weight {weights[wrong]:g}; expected 0 or more"
            )
        if self.group is None or not weights.any():
            return [questions[place] for place in _places(weights, count, rng)]
        names, group_of = np.unique([self.group(question) for question in questions], return_inverse=True)
        sums = np.bincount(group_of, weights, minlength=len(names))
        drawn = [
            place
            for number, share in enumerate(_counts(sums, count, rng))
            for place in _places(np.where(group_of == number, weights, 0.0), share, rng)
        ]
        return [questions[place] for place in rng.permutation(drawn)]

    def observe(self, results: StepResults) -> None:
        """Keep the latest of every question and metric."""
        for result in results.questions:
            if not np.isnan(result.success_rate):
                self.seen.success_rates[result.question_id] = result.success_rate
            if result.contribution is not None:
                self.seen.contributions[result.question_id] = result.contribution
        self.seen.metrics |= results.metrics

    def state_dict(self) -> dict[str, Any]:
        """The observed numbers by question and metric."""
        return {name: dict(values) for name, values in vars(self.seen).items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.seen = Observed(**{name: dict(values) for name, values in state.items()})


def _places(weights: np.ndarray, count: int, rng: np.random.Generator) -> list[int]:
    """`count` places by weight, over and over where they are fewer; none where all weights are 0."""
    drawn: list[int] = []
    while len(drawn) < count and weights.any():
        with np.errstate(divide="ignore"):
            keys = np.log(rng.random(len(weights))) / weights  # -inf at weight 0
        order = np.argsort(-keys, kind="stable")[: np.count_nonzero(weights)]
        drawn += order[: count - len(drawn)].tolist()
    return drawn


def _counts(weights: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """How many of `count` go to each weight: in proportion on average, and never off by 1 or more."""
    sums = np.cumsum(weights)
    ends = sums / sums[-1] * count
    return np.diff(np.floor(ends + rng.random()), prepend=0.0).astype(int)


def check_selector(selector: Any) -> None:
    """Raise ValueError for what is no selector."""
    wrong = [name for name in _METHODS if not callable(getattr(selector, name, None))]
    wrong += [name for name in _FLAGS if not isinstance(getattr(selector, name, None), bool | np.bool_)]
    every = getattr(selector, "contribution_every", None)
    if wrong or not isinstance(every, Integral) or every < 0:
        what = wrong[0] if wrong else "contribution_every"
        given = shown(getattr(selector, what, None))
        raise ValueError(
            f"the selector, of type {type(selector).__name__}, has {given} as {what}; expected the methods "
            f"{', '.join(_METHODS)}, true or false as {' and '.join(_FLAGS)}, and a number of steps as "
            "contribution_every; Weighted in rlaudio.curricula.selector has them"
        )


def stored_state(selector: Selector) -> dict[str, Any]:
    """What a checkpoint keeps of a selector. Raises ValueError for what is not JSON, and keys but texts."""
    state: Any = selector.state_dict()
    try:
        json.dumps(state)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"its state_dict is not JSON ({error}); expected numbers and texts") from error
    if not isinstance(state, dict):
        raise ValueError(f"its state_dict is {shown(state)}; expected a dictionary")
    for name in _names(state):
        if not isinstance(name, str):
            raise ValueError(
                f"its state_dict has the key {shown(name)}, which JSON makes a text; expected texts"
            )
    return state


def check_drawn(drawn: Any, count: int, questions: Mapping[str, Question]) -> list[Question]:
    """The drawn questions, if they are `count` of the stage's, which are given by id.

    Raises ValueError that says what is wrong.
    """
    if not isinstance(drawn, Iterable):
        raise ValueError(f"the curriculum drew {shown(drawn)}; expected {count} questions")
    drawn = list(islice(drawn, count + 1))  # it may be without end
    if not drawn:
        raise ValueError(
            f"the curriculum drew no question for a step, of {len(questions)} in the stage; expected "
            f"{count}; leave some question a weight above 0"
        )
    others = not_among(drawn, questions)
    if others or len(drawn) != count:
        more = " or more" if len(drawn) > count else ""
        what = f"{others[0]}, which is not in the stage" if others else f"{len(drawn)}{more} questions"
        raise ValueError(f"the curriculum drew {what}; expected {count} of the stage's {len(questions)}")
    only = drawn[0].id
    if count > 1 and len(questions) > 1 and all(question.id == only for question in drawn):
        raise ValueError(
            f"the curriculum drew question {only} {count} times for one step, of {len(questions)} in the "
            "stage; expected different ones; leave others a weight above 0"
        )
    return drawn


def not_among(chosen: Iterable[Any], questions: Mapping[str, Question]) -> list[str]:
    """What of the chosen is none of the questions by id as they are: other values, changed questions."""
    others = []
    for each in chosen:
        given = questions.get(each.id) if isinstance(each, Question) else None
        if given is not each and given != each:
            changed = f"another question with the id {each.id}" if given else None
            others.append(changed or (each.id if isinstance(each, Question) else shown(each)))
    return others


def _names(value: Any) -> Iterator[Any]:
    """The keys of all dictionaries in it."""
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    for entry in value if isinstance(value, list | tuple) else ():
        yield from _names(entry)
