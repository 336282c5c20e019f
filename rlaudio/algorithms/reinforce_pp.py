"""REINFORCE++: advantages normalised over the whole step instead of over groups (arXiv:2501.03262)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from rlaudio.algorithms.algorithm import Loss, Samples, Tokens, sequence_mean, token_mean
from rlaudio.algorithms.groups import batch_normalised, batch_scaled, gap_to_mean, refuse_single
from rlaudio.algorithms.options import PolicyOptions
from rlaudio.algorithms.surrogate import token_ratio


@dataclass(frozen=True, kw_only=True)
class ReinforcePP(PolicyOptions):
    """REINFORCE++ with PPO's clipped ratio; one completion a question is enough.

    `baseline: batch` subtracts the mean reward of the step (section 3.1); `group` is "REINFORCE++ w/
    baseline", which subtracts each group's mean (section 3.2). Both divide by the standard deviation over
    the step of what is left.

    Deviations: the KL is a term of the loss in both, as the paper has it for `group`, with k2, whose
    gradient is that of the k1 that the paper subtracts from the reward for `batch`, less its effect on
    earlier tokens. Mean and deviation are over completions; OpenRLHF counts every token, so that long
    completions weigh more in them.
    """

    baseline: Literal["batch", "group"] = "batch"
    kl_estimate: Literal["k1", "k2", "k3"] = "k2"
    aggregate: Literal["sequence", "token"] = "token"  # OpenRLHF's

    def advantages(self, samples: Samples) -> torch.Tensor:
        """Advantages [Q, G], of standard deviation 1 over the step."""
        if self.baseline == "batch":
            return batch_normalised(samples.rewards)
        refuse_single(samples.rewards)
        return batch_scaled(gap_to_mean(samples.rewards))

    def weights(self, lengths: torch.Tensor) -> torch.Tensor:
        """Weight [S] of every token of each completion, by `aggregate`."""
        return sequence_mean(lengths) if self.aggregate == "sequence" else token_mean(lengths)

    def loss(self, tokens: Tokens) -> Loss:
        """Clipped surrogate plus `kl` times the KL estimate, weighted over tokens."""
        terms, parts = self.clipped(token_ratio(tokens), tokens.advantages)
        return self.with_kl(tokens, terms, parts)
