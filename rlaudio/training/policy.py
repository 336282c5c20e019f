"""Log-probs of target tokens under a model, as the rollout defined them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.utils.checkpoint import checkpoint

from rlaudio.models.family import ModelFamily, additive_mask
from rlaudio.training.packing import Batch

NARROW_SUPPORT = 64  # up to this width only the support's rows of the output projection are computed


@dataclass(frozen=True, eq=False)
class TokenLogprobs:
    """What a model says about the target tokens of a batch."""

    logprobs: torch.Tensor  # [N] float32
    entropy: torch.Tensor  # [N] float32, no gradient


def token_logprobs(
    family: ModelFamily, batch: Batch, *, temperature: float = 1.0, chunk: int = 1024
) -> TokenLogprobs:
    """Log-probs and entropies of the batch's targets at `temperature`, on the recorded support if any.

    Media placeholders are left out of the normaliser as they are in sampling. Logits exist for `chunk`
    target tokens at a time, in the forward and again in the backward pass, never for the prompt.
    """
    batch = batch.to(family.device)
    hidden = family.hidden(
        family.embed(batch.token_ids, batch.prompts),
        batch.positions,
        additive_mask(batch.visible(), family.dtype),
    )
    predicting = hidden.flatten(0, 1)[batch.predictor]  # [N, d]
    pieces = []
    for start in range(0, len(predicting), chunk):
        part = slice(start, start + chunk)
        support = None if batch.support is None else batch.support[part]
        arguments = (family, predicting[part], batch.targets[part], support, temperature)
        if len(predicting) > chunk and torch.is_grad_enabled():
            pieces.append(checkpoint(_head_logprobs, *arguments, use_reentrant=False))
        else:
            pieces.append(_head_logprobs(*arguments))
    logprobs, entropy = zip(*pieces, strict=True)
    return TokenLogprobs(torch.cat(logprobs), torch.cat(entropy))


def _head_logprobs(
    family: ModelFamily,
    hidden: torch.Tensor,
    targets: torch.Tensor,
    support: torch.Tensor | None,
    temperature: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probs and entropies [n] of `targets` [n] predicted from `hidden` [n, d]."""
    if support is None:
        logits = family.head(hidden).float() / temperature  # [n, V]
        forbidden = torch.tensor(family.forbidden_token_ids, device=logits.device)
        logprobs = logits.index_fill(-1, forbidden, float("-inf")).log_softmax(-1)
        chosen = targets.unsqueeze(-1)
    else:
        logits = _support_logits(family.head, hidden, support).float() / temperature  # [n, K]
        logprobs = logits.masked_fill(support < 0, float("-inf")).log_softmax(-1)
        chosen = (support == targets.unsqueeze(-1)).int().argmax(-1, keepdim=True)
    with torch.no_grad():
        entropy = -(logprobs.exp() * logprobs.nan_to_num(neginf=0.0)).sum(-1)
    return logprobs.gather(-1, chosen).squeeze(-1), entropy


def _support_logits(head: torch.nn.Linear, hidden: torch.Tensor, support: torch.Tensor) -> torch.Tensor:
    """Logits [n, K] of the supported tokens alone: K rows of the projection instead of the vocabulary."""
    rows = support.clamp(min=0)
    if support.shape[1] > NARROW_SUPPORT:
        return head(hidden).gather(-1, rows)
    return torch.einsum("nd,nkd->nk", hidden, head.weight[rows])
