"""Log-probs of target tokens under a model, as the rollout defined them; and a critic's values."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch.utils.checkpoint import checkpoint

from rlaudio.models.family import ModelFamily
from rlaudio.training.packing import Batch
from rlaudio.utils.onednn_linear import is_plain_linear

NARROW_SUPPORT = 64  # up to this width only the support's rows of the output projection are computed


@dataclass(frozen=True, eq=False)
class TokenLogprobs:
    """A model's outputs for the target tokens of a batch."""

    logprobs: torch.Tensor  # [N] float32
    entropy: torch.Tensor  # [N] float32, no gradient
    sampled: torch.Tensor  # [N] float32, no gradient: log-probs as the sampler defines them, on its support
    states: torch.Tensor  # [N, d] hidden states that predicted the tokens


class PolicyOutput(NamedTuple):
    """The trained module's outputs for a batch's target tokens; a tuple, in which DeepSpeed finds tensors."""

    logprobs: torch.Tensor  # [N] float32
    entropy: torch.Tensor  # [N] float32, no gradient
    sampled: torch.Tensor  # [N] float32, no gradient: log-probs as the sampler defines them, on its support
    values: torch.Tensor | None  # [N] float32, the critic's value before each token


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """The distribution whose log-probs training computes.

    Rollouts draw at `temperature` from what top-k and top-p left; on the recorded support the log-probs
    are those of just that. `on_support=False` ignores the support, as the framework of arXiv:2509.21060
    does: it then trains another distribution than it samples from.
    """

    temperature: float = 1.0
    on_support: bool = True


class Policy(torch.nn.Module):
    """The trained module: the family's model and, for a critic, a linear head on its hidden states."""

    def __init__(self, family: ModelFamily, distribution: Distribution, *, chunk: int, value_head: bool):
        super().__init__()
        self.family = family
        self.model = family.model
        self.distribution = distribution
        self.chunk = chunk
        width = family.head.in_features
        self.value_head = _value_head(width, family.device) if value_head else None
        self.whole = True  # whether parameters can be read outside of their layer's forward

    def __deepcopy__(self, memo: dict[int, Any]) -> Policy:
        """The same policy on a copy of the weights, which may be sharded; the family's stay whole."""
        twin = Policy(self.family.trained_copy(), self.distribution, chunk=self.chunk, value_head=False)
        twin.value_head = copy.deepcopy(self.value_head, memo)
        twin.whole = False
        return twin

    def forward(self, batch: Batch) -> PolicyOutput:
        """Log-probs and entropies of the batch's targets, and the critic's values.

        The critic reads the hidden states and passes no gradient on to the model.
        """
        distribution = self.distribution
        if batch.temperature is not None:
            distribution = replace(distribution, temperature=batch.temperature)
        output = token_logprobs(self.family, batch, distribution, chunk=self.chunk, head_is_whole=self.whole)
        values = None
        if self.value_head is not None:
            states = output.states.detach().to(self.value_head.weight.dtype)
            values = self.value_head(states).squeeze(-1).float()
        return PolicyOutput(output.logprobs, output.entropy, output.sampled, values)


def token_logprobs(
    family: ModelFamily,
    batch: Batch,
    distribution: Distribution = Distribution(),
    *,
    chunk: int | None = None,
    head_is_whole: bool = True,
) -> TokenLogprobs:
    """Log-probs and entropies of the batch's targets under `distribution`.

    Media placeholders are left out of the normaliser as they are in sampling. Logits exist for `chunk`
    target tokens at a time (None: for all at once), in the forward and again in the backward pass, never
    for the prompt; a batch may ask for more chunks than its targets fill, so that sharded heads compute
    equally often. Of a head that is whole only the rows of a narrow support are computed.
    """
    batch = batch.to(family.device)
    hidden = family.hidden(
        family.embed(batch.token_ids, batch.prompts), batch.positions, batch.branching
    )  # [1, T, d]
    predicting = hidden[0, batch.predictor]  # [N, d]
    pieces = []
    chunk = chunk or max(1, len(predicting))
    chunks = max(1, batch.chunks, -(-len(predicting) // chunk))
    for start in range(0, chunks * chunk, chunk):
        part = slice(start, start + chunk)
        support = None if batch.support is None else batch.support[part]
        arguments = (
            family,
            predicting[part],
            batch.targets[part],
            support,
            distribution,
            head_is_whole,
        )
        if chunks > 1 and torch.is_grad_enabled():
            pieces.append(checkpoint(_head_logprobs, *arguments, use_reentrant=False))
        else:
            pieces.append(_head_logprobs(*arguments))
    logprobs, entropy, sampled = (torch.cat(of_pieces) for of_pieces in zip(*pieces, strict=True))
    return TokenLogprobs(logprobs, entropy, sampled, predicting)


def _value_head(width: int, device: torch.device) -> torch.nn.Linear:
    """A float32 value head, initialised to give 0 everywhere."""
    head = torch.nn.Linear(width, 1, device=device)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    return head


def _head_logprobs(
    family: ModelFamily,
    hidden: torch.Tensor,
    targets: torch.Tensor,
    support: torch.Tensor | None,
    distribution: Distribution,
    head_is_whole: bool,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Log-probs, entropies and log-probs as sampled, [n] each, of `targets` [n] after `hidden` [n, d]."""
    temperature = distribution.temperature
    if support is None or not distribution.on_support:
        logits = family.head(hidden).float() / temperature  # [n, V]
        forbidden = torch.tensor(family.forbidden_token_ids, device=logits.device)
        logprobs = logits.index_fill(-1, forbidden, float("-inf")).log_softmax(-1)
        chosen = logprobs.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    else:
        logits = _support_logits(family.head, hidden, support, head_is_whole)  # [n, K]
        logits = logits.float() / temperature
        logprobs, chosen = _on_support(logits, support, targets)
    with torch.no_grad():
        entropy = -(logprobs.exp() * logprobs.nan_to_num(neginf=0.0)).sum(-1)
        sampled = chosen.detach()
        if support is not None and not distribution.on_support:
            sampled = _on_support(logits.gather(-1, support.clamp(min=0)), support, targets)[1]
    return chosen, entropy, sampled


def _on_support(
    logits: torch.Tensor, support: torch.Tensor, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probs of what was supported, [n, K], and of `targets` among them, [n]."""
    logprobs = logits.masked_fill(support < 0, float("-inf")).log_softmax(-1)
    chosen = (support == targets.unsqueeze(-1)).int().argmax(-1, keepdim=True)
    return logprobs, logprobs.gather(-1, chosen).squeeze(-1)


def _support_logits(
    head: torch.nn.Module, hidden: torch.Tensor, support: torch.Tensor, head_is_whole: bool
) -> torch.Tensor:
    """Logits [n, K] of the supported tokens: where they are few, K rows of the projection and no others."""
    rows = support.clamp(min=0)
    narrow = head_is_whole and support.shape[1] <= NARROW_SUPPORT
    if narrow and is_plain_linear(head) and head.bias is None:  # `weight` leaves an adapter out
        return torch.einsum("nd,nkd->nk", hidden, head.weight[rows])
    return head(hidden).gather(-1, rows)
