"""SAPO: a soft gate in place of the clip, steeper where the advantage is negative (arXiv:2511.20347).

No code of the authors was seen; the formula is that of TRL, verl and ms-swift, which agree on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rlaudio.algorithms.algorithm import Loss, Samples, Tokens, sequence_mean
from rlaudio.algorithms.groups import group_advantages
from rlaudio.algorithms.options import KLOptions, check_range
from rlaudio.algorithms.surrogate import by_sign, token_ratio


@dataclass(frozen=True, kw_only=True)
class SAPO(KLOptions):
    """Soft adaptive policy optimisation, without a KL term: maximise gate(r) * A, averaged as in GRPO,

        gate(r) = 4 / t * sigmoid(t * (r - 1)), t = `temperature` for A > 0, else `negative_temperature`

    At r = 1 its slope is 1, whatever the temperature: the gradient is that of GRPO. Away from it the slope
    fades to 0 in both directions, sooner for the higher temperature; negative advantages raise the
    probability of tokens that were not sampled, which is less stable, so their gate is narrower.
    """

    temperature: float = 1.0
    negative_temperature: float = 1.05
    kl: float = 0.0  # the objective has none

    def __post_init__(self) -> None:
        super().__post_init__()
        for option in ("temperature", "negative_temperature"):
            check_range(option, getattr(self, option), 1e-3)

    def advantages(self, samples: Samples) -> torch.Tensor:
        """Advantages [Q, G] as in GRPO."""
        return group_advantages(samples.rewards)

    def weights(self, lengths: torch.Tensor) -> torch.Tensor:
        """Mean over a completion's tokens, then over completions."""
        return sequence_mean(lengths)

    def loss(self, tokens: Tokens) -> Loss:
        """Minus gate times advantage, weighted over tokens; `loss/gate_slope`: 1 where nothing is damped."""
        ratio = token_ratio(tokens)
        temperature = by_sign(tokens.advantages, self.temperature, self.negative_temperature)
        open_by = torch.sigmoid(temperature * (ratio - 1.0))
        policy = -4.0 / temperature * open_by * tokens.advantages
        parts = {
            "loss/policy": policy,
            "loss/ratio_mean": ratio,
            "loss/gate_slope": 4.0 * open_by * (1.0 - open_by),
        }
        return self.with_kl(tokens, policy, parts)
