"""What lints read of a reward, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from rlaudio.lab import probes
from rlaudio.lab.stored import InSilence
from rlaudio.scoring import made_up_group
from rlaudio.types import Group, Question, Scorer, Verdict

QUESTIONS = 24  # that probes are made of
REPEATED = 32  # groups that are scored again

Outcome = Literal["warns", "passes", "does not apply"]


@dataclass(frozen=True)
class LintExample:
    """A completion that shows what a lint says, and what the reward paid for it."""

    question_id: str
    text: str
    value: float
    what: str = ""  # what it is, such as "wrong answer"


@dataclass(frozen=True)
class Finding:
    """What a lint says of a reward."""

    lint: str
    outcome: Outcome
    said: str
    examples: tuple[LintExample, ...] = ()


@dataclass(frozen=True, eq=False)
class Evidence:
    """A reward's values by group [G], what is known of the completions, and the reward itself."""

    groups: Sequence[Group]
    values: Sequence[np.ndarray]
    verdicts: Sequence[Sequence[Verdict]]
    in_silence: Mapping[str, InSilence]
    scorer: Scorer
    score: Callable[[Sequence[Group]], list[np.ndarray]]  # the reward of groups that are scored together
    logprobs_in_silence: Sequence[np.ndarray] = ()  # of whole completions [G]; NaN or nothing: not measured

    @cached_property
    def right(self) -> list[np.ndarray]:
        """Which completions of each group are right [G] bool."""
        return [np.array([verdict.right for verdict in group]) for group in self.verdicts]

    @cached_property
    def questions(self) -> list[Question]:
        """Those that probes are made of: the first ones that have them, each once."""
        asked = {group.prompt.question.id: group.prompt.question for group in self.groups}
        return [question for question in asked.values() if probes.has_probes(question)][:QUESTIONS]

    @cached_property
    def repeated(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Values of the first groups, scored twice."""
        groups = self.groups[:REPEATED]
        return self.score(groups), self.score(groups)

    def probe(self, texts: probes.Texts) -> np.ndarray:
        """Values of the texts of each question [Q, texts]."""
        groups = [made_up_group(question, texts(question)) for question in self.questions]
        return np.stack(self.score(groups))

    def example(self, group: int, sample: int, what: str) -> LintExample:
        """A completion of the run."""
        shown = self.groups[group]
        value = float(self.values[group][sample])
        return LintExample(shown.prompt.question.id, shown.completions[sample].text, value, what)

    def probed(self, number: int, text: str, value: float, what: str) -> LintExample:
        """A made-up completion."""
        return LintExample(self.questions[number].id, text, float(value), f"{what}, made up")


@dataclass(frozen=True)
class LintResult:
    """What a lint's function says: whether it warns, None where it does not apply."""

    warns: bool | None
    said: str
    examples: tuple[LintExample, ...] = ()
