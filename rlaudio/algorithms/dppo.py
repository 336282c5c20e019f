"""DPPO: the trust region bounds how far a token's probability moves, not its ratio (arXiv:2602.04879).

A ratio of 100 may be a step from 1e-5 to 1e-3 and one of 0.8 a step from 0.99 to 0.8; PPO clips the first
and lets the second pass. Here a token loses its gradient once its probability is `delta` away on the side
that its advantage pushes to: a bound on the total variation of {this token, any other} (Binary-TV).

Checked against the authors' code: `dppo_binary_tv` in sail-sg/Stable-RL, and `dppo_tv` in verl.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rlaudio.algorithms.algorithm import Loss, Samples, Tokens, sequence_mean
from rlaudio.algorithms.groups import group_advantages
from rlaudio.algorithms.options import KLOptions, check_range
from rlaudio.algorithms.surrogate import token_ratio


@dataclass(frozen=True, kw_only=True)
class DPPO(KLOptions):
    """Divergence PPO, Binary-TV, without a KL term:

        sg[min(r, cap)] * A * log p, and 0 where p - q > delta (A > 0) or p - q < -delta (A <= 0)

    p is the token's probability, q that at which it was sampled, r = p / q. The authors take q from the
    sampler itself, which is `mismatch.correct: none`. 0.15 is delta in verl's script for the paper, 10 the
    cap in the authors' code; that script sets 10,000, which is none. Deviation: advantages and mean are
    GRPO's, so that compared algorithms differ in one thing; the script leaves the standard deviation out
    and divides by a constant.
    """

    delta: float = 0.15
    cap: float = 10.0
    kl: float = 0.0  # the authors' script: none

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("delta", self.delta, 0.0, 1.0)
        check_range("cap", self.cap, 1.0)

    def advantages(self, samples: Samples) -> torch.Tensor:
        """Advantages [Q, G] as in GRPO."""
        return group_advantages(samples.rewards)

    def weights(self, lengths: torch.Tensor) -> torch.Tensor:
        """Mean over a completion's tokens, then over completions."""
        return sequence_mean(lengths)

    def loss(self, tokens: Tokens) -> Loss:
        """Minus the masked, capped ratio, without gradient, times advantage times log-prob.

        `loss/clip_fraction` counts tokens outside of the region, `loss/cap_fraction` capped ones.
        """
        ratio = token_ratio(tokens).detach()
        moved = tokens.logprobs.detach().exp() - tokens.old_logprobs.exp()  # [N] p - q
        outside = torch.where(tokens.advantages > 0.0, moved > self.delta, moved < -self.delta)
        weight = torch.where(outside, 0.0, ratio.clamp(max=self.cap))
        policy = -weight * tokens.advantages * tokens.logprobs
        parts = {
            "loss/policy": policy,
            "loss/ratio_mean": ratio,
            "loss/clip_fraction": outside.float(),
            "loss/cap_fraction": (ratio > self.cap).float(),
        }
        return self.with_kl(tokens, policy, parts)
