"""MAPO: tokens weigh by how much silence changes the entropy of their distribution (arXiv:2605.27741).

Of that paper this is the policy term, checked against the authors' code (`mapo_trainer.py` in
BorrisonXiao/MAPO-release). Its attention loss, which pays for attention to audio tokens in three layers of
one architecture, is not here: attention weights are not kept. arXiv:2602.11596 is another MAPO.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rlaudio.algorithms.algorithm import (
    Loss,
    Need,
    Samples,
    Tokens,
    completion_mean,
    completion_sum,
    sequence_mean,
)
from rlaudio.algorithms.groups import group_advantages
from rlaudio.algorithms.options import PolicyOptions, check_range
from rlaudio.algorithms.surrogate import token_ratio


@dataclass(frozen=True, kw_only=True)
class MAPO(PolicyOptions):
    """GRPO whose tokens weigh by the gap between the entropies without and with the audio:

        w_t = min(`limit`, T * softmax_t(|H_silence - H| / (`temperature` * log T))), then over its mean

    of each completion of T tokens. H is the policy's entropy with audio, H_silence that of the frozen
    reference with silence for the clip; neither passes a gradient. The KL is not weighted. Deviations: the
    authors' reference gets no audio at all; with top-k or top-p both entropies are those of the tokens that
    were left with audio.
    """

    temperature: float = 1.0
    limit: float = 5.0
    kl: float = 0.02  # the authors' script

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("temperature", self.temperature, 1e-3)
        check_range("limit", self.limit, 1.0)

    @property
    def needs(self) -> frozenset[Need]:
        """The entropies of both distributions, beside what the KL needs."""
        return super().needs | {Need.ENTROPY, Need.SILENCE_ENTROPY}

    def advantages(self, samples: Samples) -> torch.Tensor:
        """Advantages [Q, G] as in GRPO."""
        return group_advantages(samples.rewards)

    def weights(self, lengths: torch.Tensor) -> torch.Tensor:
        """Mean over a completion's tokens, then over completions."""
        return sequence_mean(lengths)

    def loss(self, tokens: Tokens) -> Loss:
        """Clipped surrogate of tokens times their weight, plus KL; `loss/entropy_gap`: |H_silence - H|."""
        terms, parts = self.clipped(token_ratio(tokens), tokens.advantages)
        gap = (tokens.signals["silence_entropy"] - tokens.signals["entropy"]).abs().detach()
        parts["loss/entropy_gap"] = gap
        return self.with_kl(tokens, self._token_weights(gap, tokens.completions) * terms, parts)

    def _token_weights(self, gap: torch.Tensor, completions: torch.Tensor) -> torch.Tensor:
        """Weights [N] of mean 1 in every completion, for gaps [N] in nats."""
        length = completion_sum(torch.ones_like(gap), completions)
        scores = gap / (self.temperature * length.clamp(min=2.0).log())  # 2: a single token has no log
        peak = scores.new_zeros(len(scores)).scatter_reduce(0, completions, scores, "amax")[completions]
        likelihood = (scores - peak).exp()  # gaps are not negative, so neither are peaks
        share = likelihood / completion_sum(likelihood, completions)
        limited = (length * share).clamp(max=self.limit)
        return limited / completion_mean(limited, completions)
