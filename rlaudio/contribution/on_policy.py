"""The audio contribution of questions for the policy that trains on them, as it is when it is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rlaudio.contribution.asking_options import OfOptions, check_options
from rlaudio.contribution.option_shares import AudioGain, OptionLogprobs
from rlaudio.rollout.worker import SeedKey
from rlaudio.types import Prompt, ScoredGroup


@dataclass(frozen=True, eq=False)
class ChoiceProbabilities:
    """p(gold | audio) - p(gold | silence) of every group's question, under the order of its prompt.

    Silence is as long as the prompt's clip. Nothing is sampled.
    """

    of_options: OfOptions
    silent_prompt: Callable[[Prompt], Prompt]
    completions: ClassVar[int] = 0

    def __call__(self, scored: Sequence[ScoredGroup], key: SeedKey) -> list[float]:
        """One difference for each group. Raises ValueError for a question without a known right option."""
        heard = [group.group.prompt for group in scored]
        for prompt in heard:
            check_options(prompt.question)
        answers = self.of_options([*heard, *map(self.silent_prompt, heard)])
        measured = [_under_its_order(p, a) for p, a in zip([*heard, *heard], answers, strict=True)]
        pairs = zip(measured[: len(heard)], measured[len(heard) :], strict=True)
        return [AudioGain.of(with_audio, without).probability.value for with_audio, without in pairs]


def _under_its_order(prompt: Prompt, logprobs: np.ndarray) -> OptionLogprobs:
    return OptionLogprobs(
        logprobs[None].astype(np.float64), prompt.question.choices, prompt.question.answer_index
    )
