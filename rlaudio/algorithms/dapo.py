"""DAPO: GRPO that clips less above, averages over tokens and leaves truncated samples out (arXiv:2503.14476).

Its four changes: clip-higher and the token mean (eq. 8) and overlong filtering (section 3.4) are here.
Dynamic sampling (eq. 11) is the recipe's `sampling.rounds`, at 2 or more; the soft overlong punishment
(eq. 13) is the reward `cot_length` with `shape: soft_overlong`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rlaudio.algorithms.algorithm import Loss, Samples, Tokens, token_mean
from rlaudio.algorithms.groups import group_advantages
from rlaudio.algorithms.options import PolicyOptions
from rlaudio.algorithms.surrogate import token_ratio


@dataclass(frozen=True, kw_only=True)
class DAPO(PolicyOptions):
    """Decoupled clip and dynamic sampling policy optimisation, without a KL term.

    The ratio is clipped to [1 - clip, 1 + clip_high]. `filter_truncated` leaves completions that were cut
    at the token limit out of the loss; in the group's mean and deviation they still count, as in TRL.
    Deviation: the mean of eq. 8 is taken over the tokens of the whole update, as in the authors' code, not
    of each group.
    """

    clip_high: float = 0.28
    filter_truncated: bool = True
    kl: float = 0.0  # section 2.3: with long reasoning the policy may move far from its start

    def advantages(self, samples: Samples) -> torch.Tensor:
        """Advantages [Q, G] as in GRPO (eq. 9), NaN for truncated samples if these are filtered."""
        left_out = samples.truncated & self.filter_truncated
        return group_advantages(samples.rewards).masked_fill(left_out, float("nan"))

    def weights(self, lengths: torch.Tensor) -> torch.Tensor:
        """Equal weight for every token of the update."""
        return token_mean(lengths)

    def loss(self, tokens: Tokens) -> Loss:
        """Clipped surrogate (eq. 8), weighted over tokens."""
        terms, parts = self.clipped(token_ratio(tokens), tokens.advantages)
        return self.with_kl(tokens, terms, parts)
