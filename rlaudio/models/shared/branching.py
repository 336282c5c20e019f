"""Attention in rows where completions branch off a prompt, without a mask of the square of their tokens.

A prompt attends to itself, causally; a branch to the whole prompt and, causally, to itself. Each of these
is a plain attention. A branch's two outputs are merged by the sums of their softmaxes, as in block-wise
attention (H. Liu et al., Ring Attention, arXiv:2310.01889).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import torch
from torch.nn.functional import scaled_dot_product_attention

# Both take and give [N, heads, tokens, width]; the first also gives each query's log of the softmax's sum.
_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_flash_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


class RowSpan(NamedTuple):
    """The place of one row in a sequence of rows."""

    start: int
    prompt: int  # tokens
    branches: tuple[int, ...]  # tokens of each

    @property
    def fork(self) -> int:
        """Where the prompt ends and the first branch begins."""
        return self.start + self.prompt

    @property
    def end(self) -> int:
        """Where the next row begins."""
        return self.fork + sum(self.branches)

    def seen_by_branches(self, device: torch.device | None) -> torch.Tensor:
        """Which tokens of the row each branch token attends to, bool [branch tokens, tokens]."""
        number = torch.tensor([n for n, length in enumerate(self.branches) for _ in range(length)])
        same_branch = (number[:, None] == number[None, :]).tril()
        return torch.nn.functional.pad(same_branch, (self.prompt, 0), value=True).to(device)


@dataclass(frozen=True)
class Branching:
    """A sequence of rows, one after another without padding: each a prompt and the branches off it."""

    lengths: tuple[tuple[int, tuple[int, ...]], ...]  # of every row's prompt, and of its branches

    @cached_property
    def rows(self) -> tuple[RowSpan, ...]:
        """The rows with their places."""
        return tuple(self._walk())

    @property
    def tokens(self) -> int:
        """Tokens of all rows."""
        return self.rows[-1].end

    def visible(self, device: torch.device | None = None) -> torch.Tensor:
        """Which tokens each token attends to, bool [1, 1, T, T]: the definition, and the tests' oracle."""
        allowed = torch.zeros(self.tokens, self.tokens, dtype=torch.bool, device=device)
        for row, seen in zip(self.rows, self.seen_by_branches(device), strict=True):
            allowed[row.start : row.fork, row.start : row.fork] = True
            allowed[row.fork : row.end, row.start : row.end] = seen
        return allowed.tril()[None, None]

    def seen_by_branches(self, device: torch.device | None = None) -> list[torch.Tensor]:
        """Which tokens of its row each branch token attends to: of each row, bool [branch tokens, tokens]."""
        if device not in self._seen:
            self._seen[device] = [row.seen_by_branches(device) for row in self.rows]
        return self._seen[device]

    @cached_property
    def _seen(self) -> dict[torch.device | None, list[torch.Tensor]]:
        return {}

    def _walk(self) -> Iterator[RowSpan]:
        start = 0
        for prompt, branches in self.lengths:
            row = RowSpan(start, prompt, branches)
            yield row
            start = row.end


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, branching: Branching, scale: float
) -> torch.Tensor:
    """Attention output [1, T, heads, width] of query [1, heads, T, width] and fewer key heads."""
    if query.device.type == "cpu":
        return _CpuAttention.apply(query, key, value, branching, scale)
    return _in_two_passes(query, key, value, branching, scale)


def attend_without_gradient(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, scale: float
) -> torch.Tensor:
    """Attention output [B, T, heads, width] on a CPU under an additive mask, or causal.

    As scaled_dot_product_attention, which would first repeat keys and values for every query head.
    """
    return _flash(query, key, value, 0.0, mask is None, attn_mask=mask, scale=scale)[0].transpose(1, 2)


# --- any device: the branches by a mask of a row -------------------------------------------------


def _in_two_passes(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, branching: Branching, scale: float
) -> torch.Tensor:
    # GPU kernels that take a mask do not take fewer key heads
    key, value = (x.repeat_interleave(query.shape[1] // key.shape[1], dim=1) for x in (key, value))
    pieces = []
    for row, seen in zip(branching.rows, branching.seen_by_branches(query.device), strict=True):
        prompt, branches = slice(row.start, row.fork), slice(row.fork, row.end)
        whole = slice(row.start, row.end)
        alone = query[:, :, prompt], key[:, :, prompt], value[:, :, prompt]
        pieces.append(scaled_dot_product_attention(*alone, is_causal=True, scale=scale))
        both = query[:, :, branches], key[:, :, whole], value[:, :, whole]
        pieces.append(scaled_dot_product_attention(*both, attn_mask=seen, scale=scale))
    return torch.cat(pieces, dim=2).transpose(1, 2)


# --- CPU: without a mask -------------------------------------------------------------------------


class _CpuAttention(torch.autograd.Function):
    """The attention on a CPU, whose kernel returns each query's log-sum and accepts a merged one backward."""

    @staticmethod
    def forward(ctx: Any, query: Any, key: Any, value: Any, branching: Branching, scale: float) -> Any:
        out = torch.empty_like(query.transpose(1, 2), memory_format=torch.contiguous_format)
        by_head = out.transpose(1, 2)  # [1, heads, T, width]
        log_sums = query.new_empty(query.shape[:3], dtype=torch.float32)  # [1, heads, T]
        for row in branching.rows:
            prompt, branches = slice(row.start, row.fork), slice(row.fork, row.end)
            of_prompt = [x[:, :, prompt] for x in (query, key, value)]
            by_head[:, :, prompt], log_sums[:, :, prompt] = _flash(*of_prompt, 0.0, True, scale=scale)
            if row.fork == row.end:
                continue
            to_prompt, prompt_sum = _flash(query[:, :, branches], *of_prompt[1:], 0.0, False, scale=scale)
            layout = _layout(row.branches)
            split = [layout.split(x[:, :, branches]) for x in (query, key, value)]
            within, within_sum = _flash(*split, 0.0, True, scale=scale)
            within, within_sum = layout.join(within), layout.join(within_sum.unsqueeze(-1)).squeeze(-1)
            share = torch.sigmoid(prompt_sum - within_sum).unsqueeze(-1)  # of the prompt in the whole softmax
            by_head[:, :, branches] = torch.lerp(within.float(), to_prompt.float(), share)
            log_sums[:, :, branches] = torch.logaddexp(prompt_sum, within_sum)
        ctx.save_for_backward(query, key, value, out, log_sums)
        ctx.branching, ctx.scale = branching, scale
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Any) -> Any:
        query, key, value, out, log_sums = ctx.saved_tensors
        known = (gradient.transpose(1, 2), query, key, value, out.transpose(1, 2), log_sums.unsqueeze(-1))
        gradients = [torch.empty_like(x.transpose(1, 2)).transpose(1, 2) for x in (query, key, value)]
        for row in ctx.branching.rows:
            prompt, branches = slice(row.start, row.fork), slice(row.fork, row.end)
            of_prompt = [x[:, :, prompt] for x in known]
            parts = _backward(of_prompt, True, ctx.scale)
            if row.fork < row.end:
                of_branches = [x[:, :, branches] for x in known]
                to_prompt = _backward(_with_keys(of_branches, of_prompt), False, ctx.scale)
                layout = _layout(row.branches)
                split = _backward([layout.split(x) for x in of_branches], True, ctx.scale)
                within = [layout.join(x) for x in split]
                gradients[0][:, :, branches] = within[0].add_(to_prompt[0])
                for number in (1, 2):
                    gradients[number][:, :, branches] = within[number]
                    parts[number].add_(to_prompt[number])
            for whole, part in zip(gradients, parts, strict=True):
                whole[:, :, prompt] = part
        return *gradients, None, None


def _with_keys(queries: list[torch.Tensor], keys: list[torch.Tensor]) -> list[torch.Tensor]:
    """Arguments of the kernel's backward for the queries of some tokens and the keys of others."""
    return [*queries[:2], *keys[2:4], *queries[4:]]


def _backward(known: list[torch.Tensor], causal: bool, scale: float) -> list[torch.Tensor]:
    """Gradients of query, key and value."""
    *tensors, log_sums = known
    return list(_flash_backward(*tensors, log_sums.squeeze(-1), 0.0, causal, scale=scale))


class _BranchLayout:
    """Converts a row's branch tokens between one sequence and a padded batch of branches."""

    def __init__(self, lengths: tuple[int, ...]):
        self.count, self.longest = len(lengths), max(lengths)
        self.equal = min(lengths) == self.longest
        padded = [branch * self.longest + torch.arange(length) for branch, length in enumerate(lengths)]
        self.index = torch.cat(padded)  # [tokens], each token's index among all padded branches

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """[1, heads, tokens, width] to [branches, heads, longest, width], shorter ones padded with zeros."""
        x = x[0]
        if not self.equal:
            padded = x.new_zeros(len(x), self.count * self.longest, x.shape[-1])
            x = padded.index_copy_(1, self.index, x)
        return x.unflatten(1, (self.count, self.longest)).transpose(0, 1)

    def join(self, x: torch.Tensor) -> torch.Tensor:
        """The inverse of `split`."""
        x = x.transpose(0, 1).flatten(1, 2)
        return (x if self.equal else x.index_select(1, self.index))[None]


_layout = lru_cache(maxsize=1024)(_BranchLayout)
