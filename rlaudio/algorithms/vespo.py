"""VESPO: REINFORCE whose sequence weights are reshaped by a smooth kernel (arXiv:2602.10693).

Checked against the authors' code, recipe/vespo in FloyedShen/VESPO, which TRL's loss type `vespo` follows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rlaudio.algorithms.algorithm import Loss, Samples, Tokens, completion_sum, token_mean
from rlaudio.algorithms.groups import group_advantages
from rlaudio.algorithms.options import KLOptions, check_range
from rlaudio.algorithms.surrogate import by_sign

GAP_LIMIT = 20.0  # of log-probs, of a token and of a completion; the authors' code clamps to it too
LOWEST = -18.420680743952367  # log(1e-8), under which their code keeps the sequence weight


@dataclass(frozen=True, kw_only=True)
class VESPO(KLOptions):
    """Variational sequence-level soft policy optimisation, without a KL term: sg[phi(W)] * A * log p,

        phi(W) = W^k * e^(l * (1 - W)), W = p(completion) / q(completion)

    W is not normalised by length. phi is 1 at W = 1, has its peak at W = k / l and falls off to both sides,
    so that completions far from the policy fade out instead of being clipped. `power` (k) and `decay` (l)
    hold for advantages above 0, the `_negative` ones for others; defaults are those of the authors' scripts.
    With `mismatch.correct: none` q is the sampler itself, as in TRL, whose correction is a factor of W.
    """

    power: float = 2.0
    decay: float = 3.0
    power_negative: float = 3.0
    decay_negative: float = 2.0
    kl: float = 0.0  # the authors' scripts: none

    def __post_init__(self) -> None:
        super().__post_init__()
        for option in ("power", "power_negative"):
            check_range(option, getattr(self, option), 0.0)
        for option in ("decay", "decay_negative"):
            check_range(option, getattr(self, option), 1e-4)  # their code's lower limit

    def advantages(self, samples: Samples) -> torch.Tensor:
        """Advantages [Q, G] as in GRPO."""
        return group_advantages(samples.rewards)

    def weights(self, lengths: torch.Tensor) -> torch.Tensor:
        """Equal weight for every token of the update, as in the authors' code."""
        return token_mean(lengths)

    def loss(self, tokens: Tokens) -> Loss:
        """Minus phi, without gradient, times advantage times log-prob, weighted over tokens."""
        gap = (tokens.logprobs - tokens.old_logprobs).detach().clamp(-GAP_LIMIT, GAP_LIMIT)
        log_ratio = completion_sum(gap, tokens.completions).clamp(LOWEST, GAP_LIMIT)  # [N] log W
        power = by_sign(tokens.advantages, self.power, self.power_negative)
        decay = by_sign(tokens.advantages, self.decay, self.decay_negative)
        ratio = log_ratio.exp()
        phi = (decay + power * log_ratio - decay * ratio).exp()
        policy = -phi * tokens.advantages * tokens.logprobs
        parts = {"loss/policy": policy, "loss/ratio_mean": ratio, "loss/kernel": phi}
        return self.with_kl(tokens, policy, parts)
