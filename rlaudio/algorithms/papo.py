"""PAPO: GRPO plus a term for answers that are unlikely with silence (arXiv:2507.06448, section 3).

The paper masks image patches; here the clip is replaced by silence. Where rollouts use top-k or top-p both
sides of its KL are taken on the support that was left with audio, which hides the probability that silence
puts outside of it: sample from the whole vocabulary to see all of the gap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from rlaudio.algorithms.algorithm import Loss, Need, Samples, Tokens, sequence_mean
from rlaudio.algorithms.groups import group_advantages
from rlaudio.algorithms.kl import kl_estimate
from rlaudio.algorithms.options import PolicyOptions, check_range
from rlaudio.algorithms.surrogate import token_ratio


@dataclass(frozen=True, kw_only=True)
class PAPO(PolicyOptions):
    """Perception-aware policy optimisation: GRPO loss - `gamma` KL(with audio || with silence) + entropies.

    The double entropy term, `entropy` times minus the log-probs with audio and with silence, keeps the
    policy from raising the KL, which has no upper bound, by noise. Defaults are those of the authors' script
    for a 7B model; gamma 0.04 collapsed there (Table 4). As in their code the policy with silence has no
    gradient, so its entropy only shows in loss/total; with `gradient: both` it has one, at the cost of a
    second forward and backward pass. Deviation: no dual clip.
    """

    gamma: float = 0.02
    entropy: float = 0.05
    gradient: Literal["audio", "both"] = "audio"
    perception_estimate: Literal["k1", "k2", "k3"] = "k3"
    clip_high: float = 0.3
    kl: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        for option in ("gamma", "entropy"):
            check_range(option, getattr(self, option), 0.0)

    @property
    def needs(self) -> frozenset[Need]:
        """Log-probs with silence, of all groups: the perception term learns where rewards are equal too."""
        silence = Need.SILENCE if self.gradient == "audio" else Need.SILENCE_GRADIENT
        return super().needs | {silence, Need.EQUAL_GROUPS}

    def advantages(self, samples: Samples) -> torch.Tensor:
        """Advantages [Q, G] as in GRPO."""
        return group_advantages(samples.rewards)

    def weights(self, lengths: torch.Tensor) -> torch.Tensor:
        """Mean over a completion's tokens, then over completions."""
        return sequence_mean(lengths)

    def loss(self, tokens: Tokens) -> Loss:
        """Clipped surrogate - gamma KL_prcp + entropies + `kl` times KL, weighted over tokens."""
        policy, parts = self.clipped(token_ratio(tokens), tokens.advantages)
        silence = tokens.signals["silence"]
        perception = kl_estimate(tokens.logprobs, silence, self.perception_estimate)
        terms = policy - self.gamma * perception - self.entropy * (tokens.logprobs + silence)
        parts["loss/perception"] = perception
        return self.with_kl(tokens, terms, parts)
