"""PPO: advantages of tokens against a learned critic (arXiv:1707.06347), by GAE (arXiv:1506.02438)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rlaudio.algorithms.algorithm import Loss, Need, Samples, Tokens, token_mean
from rlaudio.algorithms.groups import batch_normalised
from rlaudio.algorithms.options import CLIP, KLOptions, check_range
from rlaudio.algorithms.surrogate import clipped_surrogate, token_ratio


@dataclass(frozen=True, kw_only=True)
class PPO(KLOptions):
    """Proximal policy optimisation with a value head; one completion a question is enough.

    The reward comes with the last token, also of a truncated completion. Advantages are normalised over the
    tokens of the step. Deviations: the KL is a term of the loss, not part of the reward, so that algorithms
    compared here differ in one thing; no entropy bonus (c2 = 0 in eq. 9), as usual for language models.
    """

    gamma: float = 1.0  # an answer is short: nothing to discount
    lam: float = 0.95  # lambda of Table 3
    clip: float = CLIP
    value_clip: float | None = (
        0.2  # largest change of the critic's values in one step, as in OpenAI's baselines
    )
    value_weight: float = (
        1.0  # c1 in eq. 9; the head has its own learning rate, so this only affects the joint gradient norm
    )
    value_lr: float = 1e-4  # a linear head that starts at 0 learns faster than the policy

    def __post_init__(self) -> None:
        super().__post_init__()
        for option in ("gamma", "lam", "clip"):
            check_range(option, getattr(self, option), 0.0, 1.0)
        for option in ("value_clip", "value_weight", "value_lr"):
            check_range(option, getattr(self, option), 0.0)

    @property
    def needs(self) -> frozenset[Need]:
        """The critic's values, of all groups: it learns where completions are equally good too."""
        return super().needs | {Need.VALUES, Need.EQUAL_GROUPS}

    def advantages(self, samples: Samples) -> torch.Tensor:
        """Advantages [Q, G, C] by GAE, normalised over the step's tokens; NaN where there is no token."""
        return batch_normalised(self._gae(samples))

    def returns(self, samples: Samples) -> torch.Tensor:
        """Advantages before normalisation plus values [Q, G, C]; NaN where there is no token."""
        return self._gae(samples) + samples.signals["values"]

    def weights(self, lengths: torch.Tensor) -> torch.Tensor:
        """Equal weight for every token of the update."""
        return token_mean(lengths)

    def loss(self, tokens: Tokens) -> Loss:
        """Clipped surrogate plus the critic's clipped squared error (eq. 9), weighted over tokens."""
        policy, parts = clipped_surrogate(token_ratio(tokens), tokens.advantages, self.clip, self.clip)
        values, old, returns = (tokens.signals[name] for name in ("values", "old_values", "returns"))
        plain = 0.5 * (values - returns).square()
        limit = float("inf") if self.value_clip is None else self.value_clip
        held = 0.5 * (old + (values - old).clamp(-limit, limit) - returns).square()
        error = torch.maximum(plain, held)
        parts |= {"loss/value": error, "loss/value_clip_fraction": (held > plain).float()}
        return self.with_kl(tokens, policy + self.value_weight * error, parts)

    def _gae(self, samples: Samples) -> torch.Tensor:
        """Generalised advantage estimates [Q, G, C] (eq. 11 and 12 of PPO); NaN where there is no token."""
        exists = samples.mask  # [Q, G, C]
        values = torch.where(exists, samples.signals["values"], 0.0)
        last = torch.arange(exists.shape[-1]) == samples.lengths.unsqueeze(-1) - 1
        rewards = torch.where(last, samples.rewards.unsqueeze(-1), 0.0)
        after = torch.zeros_like(values[..., 0])  # value, then advantage, of the next token; 0 past the end
        advantages, ahead = torch.zeros_like(values), torch.zeros_like(values[..., 0])
        for t in reversed(range(values.shape[-1])):
            delta = rewards[..., t] + self.gamma * after - values[..., t]
            ahead = delta + self.gamma * self.lam * ahead
            advantages[..., t], after = ahead, values[..., t]
        kept = exists & ~samples.rewards.isnan().unsqueeze(-1)
        return advantages.masked_fill(~kept, float("nan"))
