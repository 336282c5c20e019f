"""GSPO: GRPO whose ratio, and so whose clipping, is that of whole completions (arXiv:2507.18071)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rlaudio.algorithms.algorithm import Loss, Samples, Tokens, sequence_mean
from rlaudio.algorithms.groups import group_advantages
from rlaudio.algorithms.options import PolicyOptions
from rlaudio.algorithms.surrogate import sequence_ratio


@dataclass(frozen=True, kw_only=True)
class GSPO(PolicyOptions):
    """Group sequence policy optimisation (eq. 5), in its GSPO-token form (eq. 13).

    The ratio is the geometric mean over a completion's tokens, so it stays near 1 and the clip range is
    tiny (section 5.1). A sampler whose log-probs differ from the trainer's by more than that on average
    fills the range before anything is learned: watch loss/clip_fraction, and set `mismatch.correct`.
    With one update a step (`training.mini_batches: 1`) the ratio is 1; the paper makes four.
    """

    clip: float = 3e-4
    clip_high: float = 4e-4
    kl: float = 0.0  # eq. 5 has none

    def advantages(self, samples: Samples) -> torch.Tensor:
        """Advantages [Q, G] as in GRPO (eq. 6)."""
        return group_advantages(samples.rewards)

    def weights(self, lengths: torch.Tensor) -> torch.Tensor:
        """Every completion counts alike, whatever its length."""
        return sequence_mean(lengths)

    def loss(self, tokens: Tokens) -> Loss:
        """Clipped surrogate of the completions' ratios, weighted over tokens."""
        terms, parts = self.clipped(sequence_ratio(tokens), tokens.advantages)
        return self.with_kl(tokens, terms, parts)
