"""A stage of training and the order in which it draws its questions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from numbers import Integral, Real
from typing import Any, Literal, get_args

import numpy as np

from rlaudio.curricula.selector import Selector, check_drawn, check_selector, not_among
from rlaudio.types import ContributionLabel, Contributions, Question
from rlaudio.utils.messages import shown
from rlaudio.utils.number_format import counted, of_all, thousands
from rlaudio.utils.randomness import generator

SFT_EPOCHS = 2.0  # of a curriculum that has SFT and names no other length
RL_STEPS = 1000  # of one that has RL after it
MOST = 10**9  # steps or epochs of a stage, as of every count of a recipe
_MOST_QUESTIONS = 10**7  # of a stage, and
_MOST_STAGES = 10_000  # of a curriculum; a generator may have no end


@dataclass(frozen=True)
class Stage:
    """Some questions, one way to train on them, and for how long: `epochs` or `steps`.

    `shared` states that other stages with `shared` may train on the same questions: RL, then SFT, then RL
    on one set, or easy questions first and then all. A `selector` chooses the questions of each step by what
    the steps before it showed, and may end the stage early. Raises ValueError for another kind, what are no
    questions, and a length below 0, above MOST or of half a step.
    """

    kind: Literal["sft", "rl"]
    questions: tuple[Question, ...]
    epochs: float | None = None
    steps: int | None = None
    shared: bool = False
    selector: Selector | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.kind not in ("sft", "rl"):
            raise ValueError(f'a stage is of the kind {shown(self.kind)}; expected "sft" or "rl"')
        object.__setattr__(self, "questions", _questions(self.kind, self.questions))
        if others := [question for question in self.questions if not isinstance(question, Question)]:
            raise ValueError(
                f"the {self.kind} stage has {shown(others[0])} among its questions; expected questions that "
                "the curriculum was given"
            )
        if isinstance(self.steps, bool) or not isinstance(self.steps, Integral | None):
            raise ValueError(f"the {self.kind} stage has {shown(self.steps)} steps; expected a whole number")
        if isinstance(self.epochs, bool) or not isinstance(self.epochs, Real | None):
            raise ValueError(f"the {self.kind} stage has {shown(self.epochs)} epochs; expected a number")
        if self.selector is not None:
            check_selector(self.selector)
        for name, value in (("epochs", self.epochs), ("steps", self.steps)):
            if value is not None and not 0 <= value <= MOST:
                expected = f"at most {thousands(MOST)}" if value > MOST else "at least 0"
                raise ValueError(f"the {self.kind} stage has {value:g} {name}; expected {expected}")

    @cached_property
    def _by_id(self) -> dict[str, Question]:
        return {question.id: question for question in self.questions}

    @property
    def trains(self) -> bool:
        """Whether it has a step."""
        return bool((self.epochs if self.steps is None else self.steps) and self.questions)

    def total_steps(self, questions_per_step: int) -> int:
        """Steps of this stage; a last partial batch of an epoch is filled from the next one."""
        if self.steps is not None:
            return self.steps
        return math.ceil((self.epochs or 0.0) * len(self.questions) / questions_per_step)

    def draw(self, first: int, count: int, *key: int | str) -> list[Question]:
        """`count` questions from the `first` on: every epoch a new order, a pure function of the key.

        Those of a stage with a selector follow from the key and what it observed. Raises ValueError for a
        selector that gives others than `count` of the stage's questions.
        """
        if self.selector:
            chosen = self.selector.select(self.questions, count, generator(*key, "select", first))
            if chosen is not None:
                return check_drawn(chosen, count, self._by_id)
        orders: dict[int, np.ndarray] = {}
        drawn = []
        for position in range(first, first + count):
            epoch, place = divmod(position, len(self.questions))
            if epoch not in orders:
                orders[epoch] = generator(*key, "epoch", epoch).permutation(len(self.questions))
            drawn.append(self.questions[orders[epoch][place]])
        return drawn


def with_contribution(
    questions: Sequence[Question], contributions: Contributions, wanted: ContributionLabel
) -> tuple[Question, ...]:
    """The questions labelled `wanted`. Raises ValueError for no label, and where a question has none."""
    if wanted not in get_args(ContributionLabel):
        raise ValueError(f"{shown(wanted)} is no audio-contribution label; expected weak or strong")
    check_labelled(questions, contributions)
    return tuple(q for q in questions if contributions[q.id].label == wanted)


def check_labelled(questions: Sequence[Question], contributions: Contributions) -> None:
    """Raise ValueError where a question has no label."""
    unlabelled = [q.id for q in questions if q.id not in contributions]
    if unlabelled:
        raise ValueError(
            f"{of_all(len(unlabelled), len(questions))} questions have no audio-contribution label "
            f"(first: {unlabelled[0]}); expected weak or strong; name voters in the recipe or run "
            "'rlaudio label'"
        )


def random_split(
    questions: Sequence[Question], first: int, rng: np.random.Generator
) -> tuple[tuple[Question, ...], tuple[Question, ...]]:
    """Split at random into `first` questions and the rest, each in the given order."""
    chosen = np.zeros(len(questions), dtype=bool)
    chosen[rng.permutation(len(questions))[:first]] = True
    return (
        tuple(q for q, c in zip(questions, chosen, strict=True) if c),
        tuple(q for q, c in zip(questions, chosen, strict=True) if not c),
    )


def random_mixture(
    questions: Sequence[Question], contributions: Contributions, count: int | None, rng: np.random.Generator
) -> tuple[tuple[Question, ...], tuple[Question, ...]]:
    """`random_split` with `count` questions first; None: as many as weak ones, the paper's fixed SFT size."""
    if count is None:
        count = len(with_contribution(questions, contributions, "weak"))
    return random_split(questions, count, rng)


def stages_of(given: Any, curriculum: str) -> list[Stage]:
    """What a curriculum returned, as a list. Raises ValueError for anything but stages."""
    stages = list(islice(given, _MOST_STAGES + 1)) if isinstance(given, Iterable) else [given]
    if len(stages) > _MOST_STAGES:
        raise ValueError(
            f"curriculum {curriculum} gave more than {thousands(_MOST_STAGES)} stages; does it end? Each is "
            "followed by a checkpoint; to choose the questions of every step give a Stage a selector"
        )
    if others := [stage for stage in stages if not isinstance(stage, Stage)]:
        raise ValueError(f"curriculum {curriculum} gave {shown(others[0])}; expected a list of Stage")
    return stages


def check_given(stages: Sequence[Stage], questions: Sequence[Question], curriculum: str) -> None:
    """Refuse stages on other questions than the curriculum was given: nobody has looked at those.

    Changed ones are others as well: a run's data says what was trained on. Raises ValueError that names the
    stage and a question.
    """
    by_id = {question.id: question for question in questions}
    for number, stage in enumerate(stages, start=1):
        where = f"curriculum {curriculum}: stage {number} ({stage.kind})"
        if others := not_among(stage.questions, by_id):
            raise ValueError(
                f"{where} has {others[0]}, which it was not given; expected questions as they were given; "
                "change them in the data, by a data plug-in"
            )
        if len(stage.questions) > 1 and len({question.id for question in stage.questions}) == 1:
            raise ValueError(
                f"{where} has question {stage.questions[0].id} {len(stage.questions)} times, and no other; "
                "expected different ones"
            )


def check_stages(stages: Sequence[Stage], curriculum: str) -> None:
    """Refuse stages that are empty, together of no length, or share questions without saying so.

    The paper's are disjoint. `curriculum` is its name. Raises ValueError that names stages and a question.
    """
    if not stages:
        raise ValueError(f"curriculum {curriculum} gave no stages; expected at least one Stage")
    for number, stage in enumerate(stages, start=1):
        if not stage.questions:
            raise ValueError(
                f"curriculum {curriculum}: stage {number} ({stage.kind}) has no questions; expected at least "
                "one; look at the labels ('rlaudio check') or take another curriculum"
            )
    if not any(stage.trains for stage in stages):
        raise ValueError(
            f"curriculum {curriculum}: {_lengths(stages)}, so nothing would be trained; expected at least "
            "one stage with a step, such as rl_steps: 100; to measure without training run 'rlaudio evaluate'"
        )
    _refuse_common(stages, curriculum)


def _questions(kind: str, given: Any) -> tuple[Question, ...]:
    """The questions of a stage of that kind; what they are is not looked at."""
    if not isinstance(given, Iterable):
        raise ValueError(f"the {kind} stage has {shown(given)} as questions; expected several")
    questions = tuple(islice(given, _MOST_QUESTIONS + 1))
    if len(questions) > _MOST_QUESTIONS:
        raise ValueError(f"the {kind} stage has more than {thousands(_MOST_QUESTIONS)} questions")
    return questions


def _lengths(stages: Sequence[Stage]) -> str:
    """How long every stage is, as text."""
    return ", ".join(
        f"{stage.kind} of {counted(stage.steps, 'step')}"
        if stage.steps is not None
        else f"{stage.kind} of {stage.epochs or 0:g} epochs"
        for stage in stages
    )


def _refuse_common(stages: Sequence[Stage], curriculum: str) -> None:
    seen: dict[str, int] = {}  # the first stage with a question
    seen_alone: dict[str, int] = {}  # the first that does not share its questions
    for number, stage in enumerate(stages, start=1):
        forbidden = seen_alone if stage.shared else seen
        if first := next((forbidden[q.id] for q in stage.questions if q.id in forbidden), None):
            ids = {question.id for question in stages[first - 1].questions}
            common = [question.id for question in stage.questions if question.id in ids]
            raise ValueError(
                f"curriculum {curriculum}: stage {first} ({stages[first - 1].kind}) and stage {number} "
                f"({stage.kind}) have {counted(len(common), 'question')} in common, such as {common[0]}; "
                "expected different ones, as in the paper: what SFT has shown RL cannot find out; "
                "divide the questions, or give both stages shared=True if it is meant"
            )
        for question in stage.questions:
            seen.setdefault(question.id, number)
            if not stage.shared:
                seen_alone.setdefault(question.id, number)
