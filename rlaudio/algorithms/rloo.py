"""RLOO: REINFORCE on whole completions, each against the mean of the others (arXiv:2402.14740, eq. 8)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rlaudio.algorithms.algorithm import Loss, Samples, Tokens, completion_sum, sequence_mean
from rlaudio.algorithms.groups import leave_one_out
from rlaudio.algorithms.options import KLOptions, check_range
from rlaudio.algorithms.surrogate import clipped_surrogate


@dataclass(frozen=True, kw_only=True)
class RLOO(KLOptions):
    """REINFORCE with a leave-one-out baseline; a completion is one action.

    The ratio is the quotient of whole completions' probabilities, so that at ratio 1 the gradient is the
    advantage times that of the completion's summed log-prob. The paper clips nothing (`clip: null`); TRL
    clips to 1 -+ 0.2. Deviation: the KL is a term of the loss, per token, not part of the reward, so that
    algorithms compared here differ in one thing; `kl` is GRPO's for the same reason.
    """

    clip: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("clip", self.clip, 0.0, 1.0)

    def advantages(self, samples: Samples) -> torch.Tensor:
        """Advantages [Q, G]: rewards minus the mean of the group's other rewards."""
        return leave_one_out(samples.rewards)

    def weights(self, lengths: torch.Tensor) -> torch.Tensor:
        """Every completion counts alike; its value stands at each of its tokens."""
        return sequence_mean(lengths)

    def loss(self, tokens: Tokens) -> Loss:
        """Minus the completion's ratio times its advantage, weighted over tokens."""
        ratio = completion_sum(tokens.logprobs - tokens.old_logprobs, tokens.completions).exp()
        low, high = (1.0, float("inf")) if self.clip is None else (self.clip, self.clip)
        policy, parts = clipped_surrogate(ratio, tokens.advantages, low, high)
        return self.with_kl(tokens, policy, parts)
