"""From next-token logits to a token: temperature, top-k, top-p, and its log-prob under that distribution."""

from __future__ import annotations

from typing import NamedTuple

import torch

from rlaudio.types import SamplingParams


class Drawn(NamedTuple):
    """One token per row, its log-prob under the distribution it was drawn from, and the support of that."""

    tokens: torch.Tensor  # [B] int64
    logprobs: torch.Tensor  # [B] float32
    support: torch.Tensor | None  # [B, K] int64, -1 pads; None where every token could be drawn


def draw(logits: torch.Tensor, sampling: SamplingParams, uniforms: torch.Tensor) -> Drawn:
    """Draw one token per row of `logits` [B, V] by inverting the cumulative distribution at `uniforms` [B].

    Temperature divides the logits first; top-k keeps the k most likely tokens; top-p then keeps the
    shortest run of most likely tokens whose probability reaches p; the rest is renormalised. At
    temperature 0 the most likely token is taken and its log-prob is that of temperature 1.
    """
    logits = logits.float()
    if sampling.temperature == 0.0:
        logprobs, tokens = logits.log_softmax(-1).max(-1)
        return Drawn(tokens, logprobs, None)
    logits = logits / sampling.temperature
    if not sampling.top_k and sampling.top_p >= 1.0:
        logprobs = logits.log_softmax(-1)
        tokens = _invert(logprobs, uniforms)
        return Drawn(tokens, _at(logprobs, tokens), None)
    width = min(sampling.top_k or logits.shape[-1], logits.shape[-1])
    kept, ids = logits.topk(width, dim=-1)  # [B, K], most likely first
    if sampling.top_p < 1.0:
        before = kept.softmax(-1).cumsum(-1) - kept.softmax(-1)  # mass of the more likely tokens
        kept = kept.masked_fill(before >= sampling.top_p, float("-inf"))
    kept = kept.masked_fill(kept < torch.finfo(kept.dtype).min / 2, float("-inf"))  # forbidden tokens
    logprobs = kept.log_softmax(-1)
    choice = _invert(logprobs, uniforms)
    longest = int((logprobs > float("-inf")).sum(-1).max())
    support = ids.masked_fill(logprobs == float("-inf"), -1)[:, :longest]
    return Drawn(_at(ids, choice), _at(logprobs, choice), support)


def _invert(logprobs: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    """Index [B] of the first entry at which the cumulative probability exceeds the uniform number."""
    cumulative = logprobs.double().exp().cumsum(-1)
    threshold = uniforms.double().unsqueeze(-1) * cumulative[:, -1:]  # the sum may miss 1 by rounding
    return (
        torch.searchsorted(cumulative, threshold, right=True).squeeze(-1).clamp_(max=logprobs.shape[-1] - 1)
    )


def _at(values: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    return values.gather(-1, index.unsqueeze(-1)).squeeze(-1)
