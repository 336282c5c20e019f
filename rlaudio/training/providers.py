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
class MeasuredSignal:
    """Log-probs or entropies [N] by one more pass over the tokens that a loss reads."""

    name: str  # in `Tokens.signals`
    measure: Measure
    by_reference: bool = False  # under a frozen reference policy
    in_silence: bool = False  # with silence for the clip
    with_gradient: bool = False  # in every update; else once before them

    @property
    def sources(self) -> str:
        """What must be there to measure by, in words."""
        sources = {"a reference policy": self.by_reference, "a way to make silent prompts": self.in_silence}
        return " and ".join(source for source, used in sources.items() if used)


@dataclass(frozen=True, kw_only=True)
class OutputSignal:
    """A number for each token [N] that the policy's own pass gives anyway."""

    name: str  # in `Tokens.signals`
    read: Callable[[PolicyOutput], torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class Provider:
    """How a need is met."""

    need: Need
    signal: MeasuredSignal | OutputSignal | None = None  # None: the learner measures none for it
    forward: str = ""  # the pass over a step's tokens that it takes before the first update, in words


def providers_of(algorithm: Algorithm) -> list[Provider]:
    """Those that the algorithm needs, in the order in which signals are measured."""
    needs = algorithm.needs
    return [provider for provider in PROVIDERS if provider.need in needs]


def measured_for(algorithm: Algorithm) -> list[MeasuredSignal]:
    """What is measured for the algorithm's loss, in that order."""
    signals = (provider.signal for provider in providers_of(algorithm))
    return [signal for signal in signals if isinstance(signal, MeasuredSignal)]


def asks_for_reference(algorithm: Algorithm) -> bool:
    """Whether a frozen reference policy is kept for the algorithm."""
    return any(signal.by_reference for signal in measured_for(algorithm))


def asks_for_contribution(algorithm: Algorithm) -> bool:
    """Whether the algorithm needs the audio's contribution in every step."""
    return Need.CONTRIBUTION in algorithm.needs


def learns_from_equal_groups(algorithm: Algorithm) -> bool:
    """Whether the algorithm learns from rows whose advantages are all 0, too."""
    return Need.EQUAL_GROUPS in algorithm.needs


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
    Provider(need=Need.VALUES, forward="critic's values"),  # measured by training.signals
    Provider(
        need=Need.REFERENCE,
        signal=MeasuredSignal(name="reference", measure=_under_reference, by_reference=True),
        forward="reference",
    ),
    Provider(
        need=Need.SILENCE,
        signal=MeasuredSignal(name="silence", measure=_in_silence, in_silence=True),
        forward="policy in silence",
    ),
    Provider(
        need=Need.SILENCE_GRADIENT,
        signal=MeasuredSignal(name="silence", measure=_in_silence, in_silence=True, with_gradient=True),
    ),
    Provider(
        need=Need.SILENCE_ENTROPY,
        signal=MeasuredSignal(
            name="silence_entropy",
            measure=_reference_entropy_in_silence,
            by_reference=True,
            in_silence=True,
        ),
        forward="reference in silence",
    ),
    Provider(need=Need.ENTROPY, signal=OutputSignal(name="entropy", read=lambda output: output.entropy)),
    Provider(need=Need.CONTRIBUTION),  # estimated by training.signals
    Provider(need=Need.EQUAL_GROUPS),  # kept by the learner
)
