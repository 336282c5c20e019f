"""Contribution-weighted GRPO: questions and tokens weighted by the audio's contribution (not from a paper).

Subtracting a question's success rate with silence from its rewards would do nothing, since what is constant
in a group cancels in its mean. So the advantages are multiplied instead:

    A[q, g, t] = max(floor, contribution[q]) * A_GRPO[q, g] * u[t]

`contribution` is the success rate with audio minus that with silence (or the gold option's probability), of
the current policy. u[t] is |log-prob with audio - log-prob with silence| over its mean in the completion,
both on what top-k and top-p left with audio: a token that was the only one left has a gap of 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rlaudio.algorithms.algorithm import Loss, Need, Samples, Tokens, completion_mean, sequence_mean
from rlaudio.algorithms.groups import group_advantages
from rlaudio.algorithms.options import PolicyOptions, check_range
from rlaudio.algorithms.surrogate import token_ratio

USED_WITH = {"token_floor": {"by_token": [True]}}


@dataclass(frozen=True, kw_only=True)
class ContributionWeighted(PolicyOptions):
    """GRPO weighted by the audio's contribution to questions and, with `by_token`, to tokens.

    The gap's absolute value counts: a token that the audio makes less likely depends on the audio as much
    as one that it makes likelier. `token_floor` is the share that all tokens get equally; without it the
    words around the answer, which are as likely with silence, would not be learned: in
    compare_strong answers end after 15.6 tokens with 0.1, 9.9 with 0.5, 6.1 with weights of questions alone
    (`by_token: false`) and 5.7 under GRPO, at accuracies that do not differ.
    """

    floor: float = 0.1  # no question gets weight 0, and none answered better with silence a negative one
    by_token: bool = True
    token_floor: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        for option in ("floor", "token_floor"):
            check_range(option, getattr(self, option), 0.0, 1.0)

    @property
    def needs(self) -> frozenset[Need]:
        """The audio's contribution, and log-probs with silence for the weights of tokens."""
        of_tokens = {Need.SILENCE} if self.by_token else set()
        return super().needs | of_tokens | {Need.CONTRIBUTION}

    def advantages(self, samples: Samples) -> torch.Tensor:
        """Advantages [Q, G] as in GRPO times the question's contribution, at least `floor`."""
        contribution = samples.signals["contribution"].to(samples.rewards)  # [Q]
        return group_advantages(samples.rewards) * contribution.clamp(min=self.floor).unsqueeze(-1)

    def weights(self, lengths: torch.Tensor) -> torch.Tensor:
        """Mean over a completion's tokens, then over completions."""
        return sequence_mean(lengths)

    def loss(self, tokens: Tokens) -> Loss:
        """Clipped surrogate of the tokens' weighted advantages, plus KL, weighted over tokens."""
        advantages = tokens.advantages * self._token_weights(tokens) if self.by_token else tokens.advantages
        terms, parts = self.clipped(token_ratio(tokens), advantages)
        return self.with_kl(tokens, terms, parts)

    def _token_weights(self, tokens: Tokens) -> torch.Tensor:
        """Weights [N] of mean 1 in every completion; 1 where silence changes nothing.

        Both log-probs are those of the policy that sampled, so inner epochs do not change the weights.
        """
        gap = (tokens.old_logprobs - tokens.signals["silence"]).abs().detach()
        mean = completion_mean(gap, tokens.completions)
        share = torch.where(mean > 0.0, gap / mean, 1.0)
        return self.token_floor + (1.0 - self.token_floor) * share
