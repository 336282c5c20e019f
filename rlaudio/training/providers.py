"""What a stage of RL gives an algorithm: whoever provides a need registers here how, and what it takes.

Everything else asks the providers of an algorithm what they are; no other module tests what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from rlaudio.algorithms.algorithm import Algorithm, Need

if TYPE_CHECKING:
    from rlaudio.training.learner import Learner
    from rlaudio.training.packing import PackedRow
    from rlaudio.training.policy import PolicyOutput

Measure = Callable[
    ["Learner", Sequence["PackedRow"], int], torch.Tensor
]  # rows, at least so many chunks -> [N]


@dataclass(frozen=True, kw_only=True)
class Provider:
    """How a need is met: by log-probs or entropies that are measured, or by what a step has anyway."""

    need: Need
    signal: str = ""  # the name in `Tokens.signals` of what is measured, or is of the policy's output
    measure: Measure | None = None
    with_gradient: bool = False  # measured in every update; else once before them
    of_output: Callable[[PolicyOutput], torch.Tensor] | None = None  # what the policy's pass gives anyway
    by_reference: bool = False  # measured under a frozen reference policy
    in_silence: bool = False  # measured with silence for the clip
    value_head: bool = False  # the policy has one more head
    by_question: bool = False  # the audio's contribution is estimated in every step
    keeps_equal_groups: bool = False  # rows whose advantages are all 0 are learned from, too
    forward: str = ""  # the pass over a step's tokens that it takes, in words

    @property
    def sources(self) -> str:
        """What must be there to measure by, in words."""
        sources = {"a reference policy": self.by_reference, "a way to make silent prompts": self.in_silence}
        return " and ".join(source for source, used in sources.items() if used)


def providers_of(algorithm: Algorithm) -> list[Provider]:
    """Those that the algorithm needs, in the order in which signals are measured."""
    needs = algorithm.needs
    return [provider for provider in PROVIDERS if provider.need in needs]


def asks_for_contribution(algorithm: Algorithm) -> bool:
    """Whether the algorithm needs the audio's contribution in every step."""
    return any(provider.by_question for provider in providers_of(algorithm))


def asks_for_reference(algorithm: Algorithm) -> bool:
    """Whether a frozen reference policy is kept for the algorithm."""
    return any(provider.by_reference for provider in providers_of(algorithm))


# --- what is measured ----------------------------------------------------------------------------


def _under_reference(learner: Learner, rows: Sequence[PackedRow], chunks: int) -> torch.Tensor:
    """Log-probs [N] under the reference policy."""
    return learner.of_reference(learner.pack(rows, chunks)).logprobs


def _in_silence(learner: Learner, rows: Sequence[PackedRow], chunks: int) -> torch.Tensor:
    """Log-probs [N] of the same completions after the same questions, with silence for the clip."""
    policy: PolicyOutput = learner.strategy.forward(learner.pack(learner.silent(rows), chunks))
    return policy.logprobs


def _reference_entropy_in_silence(learner: Learner, rows: Sequence[PackedRow], chunks: int) -> torch.Tensor:
    """Entropies [N] of the reference policy at the same tokens, with silence for the clip."""
    return learner.of_reference(learner.pack(learner.silent(rows), chunks)).entropy


PROVIDERS = (
    Provider(need=Need.VALUES, value_head=True, forward="critic's values"),  # measured by training.signals
    Provider(
        need=Need.REFERENCE,
        signal="reference",
        measure=_under_reference,
        by_reference=True,
        forward="reference",
    ),
    Provider(
        need=Need.SILENCE, signal="silence", measure=_in_silence, in_silence=True, forward="policy in silence"
    ),
    Provider(
        need=Need.SILENCE_GRADIENT, signal="silence", measure=_in_silence, in_silence=True, with_gradient=True
    ),
    Provider(
        need=Need.SILENCE_ENTROPY,
        signal="silence_entropy",
        measure=_reference_entropy_in_silence,
        by_reference=True,
        in_silence=True,
        forward="reference in silence",
    ),
    Provider(need=Need.ENTROPY, signal="entropy", of_output=lambda output: output.entropy),
    Provider(need=Need.CONTRIBUTION, by_question=True),
    Provider(need=Need.EQUAL_GROUPS, keeps_equal_groups=True),
)
