"""Attention in rows where completions branch off a prompt, without a mask of the square of their tokens.

A prompt attends to itself, causally; a branch to the whole prompt and, causally, to itself; all of them to
the text before the first row, if there is any. Each of these is a plain attention. A token's outputs are
merged by the sums of their softmaxes, as in block-wise attention (H. Liu et al., Ring Attention,
arXiv:2310.01889).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch.nn.functional import scaled_dot_product_attention

SHORT, MOST_PADDING = 16, 1.25  # spans up to so many tokens, or so much longer than others, go together

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

    def branch_spans(self) -> Iterator[tuple[int, int]]:
        """Where each branch begins and ends."""
        start = self.fork
        for length in self.branches:
            yield start, start + length
            start += length

    def seen_by_branches(self, device: torch.device | None) -> torch.Tensor:
        """Which tokens of the row each branch token attends to, bool [branch tokens, tokens]."""
        number = torch.tensor([n for n, length in enumerate(self.branches) for _ in range(length)])
        same_branch = (number[:, None] == number[None, :]).tril()
        return torch.nn.functional.pad(same_branch, (self.prompt, 0), value=True).to(device)


@dataclass(frozen=True)
class Branching:
    """A sequence of rows, one after another without padding: each a prompt and the branches off it.

    The first `shared` tokens stand before the rows and are seen by all of them.
    """

    lengths: tuple[tuple[int, tuple[int, ...]], ...]  # of every row's prompt, and of its branches
    shared: int = 0

    @cached_property
    def rows(self) -> tuple[RowSpan, ...]:
        """The rows with their places."""
        return tuple(self._walk())

    @property
    def tokens(self) -> int:
        """Tokens of all rows, and those before them."""
        return self.rows[-1].end

    def visible(self, device: torch.device | None = None) -> torch.Tensor:
        """Which tokens each token attends to, bool [1, 1, T, T]: the definition, and the tests' oracle."""
        allowed = torch.zeros(self.tokens, self.tokens, dtype=torch.bool, device=device)
        allowed[:, : self.shared] = True
        for row, seen in zip(self.rows, self.seen_by_branches(device), strict=True):
            allowed[row.start : row.fork, row.start : row.fork] = True
            allowed[row.fork : row.end, row.start : row.end] = seen
        return allowed.tril()[None, None]

    def near(self, window: int, device: torch.device | None) -> list[torch.Tensor]:
        """What the tokens of each row slice attend to where all that stands `window` positions before is far.

        Bool [tokens, shared tokens and tokens]; of the shared text itself [tokens, tokens].
        """
        if (window, device) not in self._near:
            self._near[window, device] = [self._near_in(part, window).to(device) for part in self.row_slices]
        return self._near[window, device]

    @cached_property
    def row_slices(self) -> list[slice]:
        """The places of the shared text, if there is any, and of each row."""
        shared = [slice(0, self.shared)] * bool(self.shared)
        return shared + [slice(row.start, row.end) for row in self.rows]

    @cached_property
    def positions(self) -> torch.Tensor:
        """How many tokens each token follows on, [T]: those of its branch, its prompt and the shared text."""
        places = [torch.arange(self.shared)]
        for row in self.rows:
            fork = self.shared + row.prompt
            places.append(torch.arange(self.shared, fork))
            places += [torch.arange(fork, fork + length) for length in row.branches]
        return torch.cat(places)

    @cached_property
    def longest(self) -> int:
        """Tokens of the longest text: shared, prompt and one branch."""
        return int(self.positions.max()) + 1

    def seen_by_branches(self, device: torch.device | None) -> list[torch.Tensor]:
        """Which tokens of its row each branch token attends to: of each row, bool [branch tokens, tokens]."""
        if device not in self._seen:
            self._seen[device] = [row.seen_by_branches(device) for row in self.rows]
        return self._seen[device]

    @cached_property
    def alone(self) -> _Pieces:
        """The spans that attend to themselves, causally: the shared text, prompts, branches."""
        prompts = [(row.start, row.fork) for row in self.rows if row.prompt]
        branches = [span for row in self.rows for span in row.branch_spans()]
        shared = [(0, self.shared)] * bool(self.shared)
        return _Pieces([_Spans(some) for spans in (shared, prompts, branches) for some in _alike(spans)])

    @cached_property
    def across(self) -> list[tuple[slice, slice]]:
        """Which tokens attend to all of which others: rows to the shared text, branches to their prompt."""
        to_shared = [(slice(self.shared, self.tokens), slice(0, self.shared))] * bool(self.shared)
        forked = [row for row in self.rows if row.start < row.fork < row.end]
        return to_shared + [(slice(row.fork, row.end), slice(row.start, row.fork)) for row in forked]

    @cached_property
    def _seen(self) -> dict[torch.device | None, list[torch.Tensor]]:
        return {}

    @cached_property
    def _near(self) -> dict[tuple[int, torch.device | None], list[torch.Tensor]]:
        return {}

    def _near_in(self, part: slice, window: int) -> torch.Tensor:
        before = self.shared if part.start else 0
        row = next((row for row in self.rows if row.start == part.start), None)
        seen = torch.ones(part.stop - part.start, part.stop - part.start, dtype=torch.bool).tril()
        if row is not None:
            seen[row.prompt :] = row.seen_by_branches(None)
        seen = torch.nn.functional.pad(seen, (before, 0), value=True)
        keys = torch.cat([self.positions[:before], self.positions[part]])
        return seen & (self.positions[part, None] - keys < window)

    def _walk(self) -> Iterator[RowSpan]:
        start = self.shared
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
    if branching.shared:
        raise ValueError("text before the rows is shared on a CPU alone; expected rows that hold their own")
    pieces = []
    for row, seen in zip(branching.rows, branching.seen_by_branches(query.device), strict=True):
        prompt, branches = slice(row.start, row.fork), slice(row.fork, row.end)
        whole = slice(row.start, row.end)
        alone = query[:, :, prompt], key[:, :, prompt], value[:, :, prompt]
        pieces.append(scaled_dot_product_attention(*alone, is_causal=True, scale=scale))
        if row.fork == row.end:
            continue
        both = query[:, :, branches], key[:, :, whole], value[:, :, whole]
        pieces.append(scaled_dot_product_attention(*both, attn_mask=seen, scale=scale))
    return torch.cat(pieces, dim=2).transpose(1, 2)


# --- CPU: without a mask -------------------------------------------------------------------------


class _CpuAttention(torch.autograd.Function):
    """The attention on a CPU, whose kernel returns each query's log-sum and accepts a merged one backward."""

    @staticmethod
    def forward(ctx: Any, query: Any, key: Any, value: Any, branching: Branching, scale: float) -> Any:
        known = [_by_token(x) for x in (query, key, value)]  # [T, heads, width]
        alone = branching.alone
        within = [_flash(*map(spans.split, known), 0.0, True, scale=scale) for spans in alone.spans]
        out = alone.join([part[0] for part in within], query.shape[2]).float()  # [T, heads, width]
        log_sums = alone.join([part[1].unsqueeze(-1) for part in within], query.shape[2])  # [T, heads, 1]
        for queries, keys in branching.across:
            places = zip(known, (queries, keys, keys), strict=True)
            there, there_sums = _flash(*(_by_head(x[place]) for x, place in places), 0.0, False, scale=scale)
            there, there_sums = _by_token(there), _by_token(there_sums.unsqueeze(-1))
            here, here_sums = out[queries], log_sums[queries]
            share = torch.sigmoid(there_sums - here_sums)  # of those keys in the whole softmax
            here.lerp_(there.float(), share)
            torch.logaddexp(here_sums, there_sums, out=here_sums)
        out = out.to(query.dtype)
        ctx.save_for_backward(query, key, value, out, log_sums)
        ctx.branching, ctx.scale = branching, scale
        return out.unsqueeze(0)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Any) -> Any:
        query, key, value, out, log_sums = ctx.saved_tensors
        known = [*map(_by_token, (query, key, value)), out, log_sums]  # [T, heads, width]
        gradient, alone = gradient[0], ctx.branching.alone
        of_spans = [
            _backward(spans.split_gradient(gradient), map(spans.split, known), True, ctx.scale)
            for spans in alone.spans
        ]
        gradients = [alone.join(parts, len(gradient)) for parts in zip(*of_spans, strict=True)]
        for queries, keys in ctx.branching.across:
            places = zip(known, (queries, keys, keys, queries, queries), strict=True)
            parts = [_by_head(x[place]) for x, place in places]
            of_parts = _backward(_by_head(gradient[queries]), parts, False, ctx.scale)
            for whole, place, part in zip(gradients, (queries, keys, keys), of_parts, strict=True):
                whole[place] += _by_token(part)
        return *map(_by_head, gradients), None, None


def _backward(
    gradient: torch.Tensor, known: Iterable[torch.Tensor], causal: bool, scale: float
) -> list[torch.Tensor]:
    """Gradients of query, key and value."""
    *tensors, log_sums = known
    return list(_flash_backward(gradient, *tensors, log_sums.squeeze(-1), 0.0, causal, scale=scale))


def _by_token(x: torch.Tensor) -> torch.Tensor:
    """[1, heads, T, width] as [T, heads, width]."""
    return x[0].transpose(0, 1)


def _by_head(x: torch.Tensor) -> torch.Tensor:
    """[T, heads, width] as [1, heads, T, width]."""
    return x.transpose(0, 1).unsqueeze(0)


def _alike(spans: Sequence[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """The spans in lists of similar lengths, so that padding adds few tokens to any of them."""
    some: list[tuple[int, int]] = []
    shortest = 0
    for start, end in sorted(spans, key=lambda span: span[1] - span[0]):
        if some and end - start > max(SHORT, MOST_PADDING * shortest):
            yield sorted(some)
            some = []
        shortest = shortest if some else end - start
        some.append((start, end))
    if some:
        yield sorted(some)


class _Spans:
    """Spans of a sequence as a batch, shorter ones padded; they may not overlap, and stand in their order.

    A span's last token is repeated: a causal attention shows the repetitions to no token before them.
    """

    def __init__(self, spans: Sequence[tuple[int, int]]):
        ends = torch.tensor([end for _, end in spans]).unsqueeze(1)
        starts = torch.tensor([start for start, _ in spans]).unsqueeze(1)
        tokens = starts + torch.arange(int((ends - starts).max()))  # [spans, longest]
        self.shape = tokens.shape
        self.held = (tokens < ends).flatten()  # [slots], which of them hold a token and no repetition
        self.padding = (~self.held).nonzero().squeeze(-1)
        self.tokens = torch.minimum(tokens, ends - 1).flatten()  # [slots], the token that each holds

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """[T, heads, width] to [spans, heads, longest, width]."""
        return self._batch(x.index_select(0, self.tokens))

    def split_gradient(self, x: torch.Tensor) -> torch.Tensor:
        """The same of a gradient, which is zero for repetitions."""
        return self._batch(x.index_select(0, self.tokens).index_fill_(0, self.padding, 0.0))

    def _batch(self, rows: torch.Tensor) -> torch.Tensor:
        return rows.unflatten(0, self.shape).transpose(1, 2)


class _Pieces:
    """A whole sequence in batches of spans."""

    def __init__(self, spans: Sequence[_Spans]):
        self.spans = spans
        held = torch.cat([some.held for some in spans])
        tokens = torch.cat([some.tokens for some in spans])[held]
        self._slots = held.nonzero().squeeze(-1)[tokens.argsort()]  # [tokens], each one's among all slots

    def join(self, parts: Sequence[torch.Tensor], total: int) -> torch.Tensor:
        """The inverse of splitting: [spans, heads, longest, width] of each batch to [total, heads, width].

        What stands behind the last span's tokens is zero.
        """
        rows = torch.cat([part.transpose(1, 2).flatten(0, 1) for part in parts])  # [slots, heads, width]
        if total == len(self._slots):
            return rows.index_select(0, self._slots)
        joined = rows.new_zeros(total, *rows.shape[1:])
        torch.index_select(rows, 0, self._slots, out=joined[: len(self._slots)])
        return joined
