"""MaxRL: GRPO whose advantages are divided by the group's success rate (arXiv:2602.02710).

With rewards of 0 and 1 the gradient of log p(right) is that of p(right) over p(right). Dividing by the
group's mean estimates it, to an order that grows with the group: it weighs hard questions, of which few
completions succeed, as maximum likelihood would. Checked against the authors' code: `maxrl` in
tajwarfahim/maxrl.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rlaudio.algorithms.algorithm import Loss, Samples, Tokens, token_mean
from rlaudio.algorithms.groups import gap_to_mean, refuse_single
from rlaudio.algorithms.options import PolicyOptions
from rlaudio.algorithms.surrogate import token_ratio


@dataclass(frozen=True, kw_only=True)
class MaxRL(PolicyOptions):
    """Maximum-likelihood RL: advantages (r - mean) / mean in each group, the clipped surrogate, no KL term.

    Unlike the other group-relative algorithms it asks where 0 is: rewards should be 0 for failure and 1 for
    success. A constant added to them, such as a bonus for the format, changes the weight of a question, and a
    group whose mean is not above 0 is left out. Deviation: the authors add 1e-6 to the mean.
    """

    kl: float = 0.0  # the authors' scripts: none

    def advantages(self, samples: Samples) -> torch.Tensor:
        """Advantages [Q, G]: rewards minus their group's mean, over that mean; 0 where it is 0 or less.

        Raises ValueError for groups of one completion.
        """
        refuse_single(samples.rewards)
        mean = samples.rewards.nanmean(-1, keepdim=True)  # [Q, 1]
        gap = gap_to_mean(samples.rewards)
        relative = torch.where(mean > 0.0, gap / mean, 0.0)
        return relative.masked_fill(samples.rewards.isnan(), float("nan"))

    def weights(self, lengths: torch.Tensor) -> torch.Tensor:
        """Equal weight for every token of the update, as in the authors' code."""
        return token_mean(lengths)

    def loss(self, tokens: Tokens) -> Loss:
        """Clipped surrogate, weighted over tokens."""
        terms, parts = self.clipped(token_ratio(tokens), tokens.advantages)
        return self.with_kl(tokens, terms, parts)
