"""GSPO: GRPO whose ratio, and so whose clipping, is that of whole completions (arXiv:2507.18071)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from rlaudio.algorithms.algorithm import Loss, Need, Samples, Tokens, sequence_mean
from rlaudio.algorithms.groups import group_advantages
from rlaudio.algorithms.kl import kl_needs
from rlaudio.algorithms.options import check_range
from rlaudio.algorithms.surrogate import clipped_surrogate, sequence_ratio, with_kl


@dataclass(frozen=True, kw_only=True)
class GSPO:
    """Group sequence policy optimisation (eq. 5), in its GSPO-token form (eq. 13).

    The ratio is the geometric mean over a completion's tokens, so it stays near 1 and the clip range is
    tiny (section 5.1). A sampler whose log-probs differ from the trainer's by more than that on average
    fills the range before anything is learned: watch loss/clip_fraction, and set `mismatch.correct`.
    With one update a step (`training.mini_batches: 1`) the ratio is 1; the paper makes four.
    """

    clip: float = 3e-4
    clip_high: float = 4e-4
    kl: float = 0.0  # eq. 5 has none
    kl_estimate: Literal["k1", "k2", "k3"] = "k3"

    def __post_init__(self) -> None:
        check_range("clip", self.clip, 0.0, 1.0)
        check_range("clip_high", self.clip_high, 0.0)
        check_range("kl", self.kl, 0.0)

    @property
    def needs(self) -> frozenset[Need]:
        """Nothing without a KL term."""
        return kl_needs(self.kl)

    def advantages(self, samples: Samples) -> torch.Tensor:
        """Advantages [Q, G] as in GRPO (eq. 6)."""
        return group_advantages(samples.rewards)

    def weights(self, lengths: torch.Tensor) -> torch.Tensor:
        """Every completion counts alike, whatever its length."""
        return sequence_mean(lengths)

    def loss(self, tokens: Tokens) -> Loss:
        """Clipped surrogate of the completions' ratios, weighted over tokens."""
        ratio = sequence_ratio(tokens)
        policy, parts = clipped_surrogate(ratio, tokens.advantages, self.clip, self.clip_high)
        return with_kl(tokens, policy, parts, self.kl, self.kl_estimate)
