"""CISPO: REINFORCE with a clipped importance weight; no token loses its gradient (arXiv:2506.13585)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rlaudio.algorithms.algorithm import Loss, Samples, Tokens, token_mean
from rlaudio.algorithms.groups import group_advantages
from rlaudio.algorithms.options import PolicyOptions
from rlaudio.algorithms.surrogate import token_ratio


@dataclass(frozen=True, kw_only=True)
class CISPO(PolicyOptions):
    """Clipped importance-sampling-weight policy optimisation (eq. 4 and 5), without a KL term.

    The weight, the ratio clipped to [1 - clip, 1 + clip_high], passes no gradient; the log-prob does. The
    paper sets no lower bound (`clip: 1`) and does not print its upper one: 1 + 4 is the bound of 5 that
    arXiv:2510.13786 found no sensitivity around. Deviation: the mean of eq. 4 is taken over the tokens of
    the whole update, not of each group.
    """

    clip: float = 1.0
    clip_high: float = 4.0
    kl: float = 0.0  # section 3.1: none

    def advantages(self, samples: Samples) -> torch.Tensor:
        """Advantages [Q, G] as in GRPO."""
        return group_advantages(samples.rewards)

    def weights(self, lengths: torch.Tensor) -> torch.Tensor:
        """Equal weight for every token of the update."""
        return token_mean(lengths)

    def loss(self, tokens: Tokens) -> Loss:
        """Minus the clipped ratio, without gradient, times advantage times log-prob, weighted over tokens.

        `loss/clip_fraction` counts tokens whose weight was clipped; they keep a gradient all the same.
        """
        ratio = token_ratio(tokens).detach()
        clipped = ratio.clamp(1.0 - self.clip, 1.0 + self.clip_high)
        policy = -clipped * tokens.advantages * tokens.logprobs
        parts = {
            "loss/policy": policy,
            "loss/ratio_mean": ratio,
            "loss/clip_fraction": (clipped != ratio).float(),
        }
        return self.with_kl(tokens, policy, parts)
