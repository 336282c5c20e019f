"""Options that algorithms share, each with its check and its term of the loss. An algorithm inherits them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import torch

from rlaudio.algorithms.algorithm import Loss, Need, Tokens
from rlaudio.algorithms.kl import kl_estimate
from rlaudio.algorithms.surrogate import Parts, clipped_surrogate

AGGREGATE: Final = "sequence"  # eq. 3, arXiv:2402.03300; its relatives are compared with it
CLIP = 0.2  # the best epsilon of table 1, arXiv:1707.06347


@dataclass(frozen=True, kw_only=True)
class KLOptions:
    """A KL to the reference in the loss: `kl` is beta; at 0 no reference is computed."""

    kl: float = 0.001  # that of arXiv:2509.21060, in most, so that compared algorithms differ in one thing
    kl_estimate: Literal["k1", "k2", "k3"] = "k3"

    def __post_init__(self) -> None:
        check_range("kl", self.kl, 0.0)

    @property
    def needs(self) -> frozenset[Need]:
        """The reference, and groups without advantage, for the KL term alone."""
        return frozenset({Need.REFERENCE, Need.EQUAL_GROUPS} if self.kl else ())

    def with_kl(self, tokens: Tokens, terms: torch.Tensor, parts: Parts) -> Loss:
        """The loss of terms [N] plus `kl` times the KL, weighted over tokens; `parts` [N] are logged."""
        if self.kl:
            kl = kl_estimate(tokens.logprobs, tokens.signals["reference"], self.kl_estimate)
            terms, parts = terms + self.kl * kl, {**parts, "loss/kl": kl}
        return Loss(
            total=(tokens.weights * terms).sum(),
            parts={name: value.detach() for name, value in parts.items()},
        )


@dataclass(frozen=True, kw_only=True)
class PolicyOptions(KLOptions):
    """The clipped ratio beside the KL: `clip` is epsilon below 1, `clip_high` above, if given."""

    clip: float = CLIP
    clip_high: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("clip", self.clip, 0.0, 1.0)
        check_range("clip_high", self.clip_high, 0.0)

    def clipped(self, ratio: torch.Tensor, advantages: torch.Tensor) -> tuple[torch.Tensor, Parts]:
        """What to minimise per token [N], and what to log of it, for ratios and advantages [N]."""
        high = self.clip if self.clip_high is None else self.clip_high
        return clipped_surrogate(ratio, advantages, self.clip, high)


def check_range(option: str, value: float | None, low: float, high: float | None = None) -> None:
    """Raise ValueError for a value outside [low, high]; None is an option that was not given."""
    if value is None or (low <= value and (high is None or value <= high)):
        return
    expected = f"at least {low:g}" if high is None else f"{low:g} to {high:g}"
    raise ValueError(f"algorithm.{option} is {value:g}; expected {expected}; change it in the recipe")
