"""Log-probs of completions that are given: a prompt is computed once, and they are branches off it.

Prompts that begin alike share their beginning as well, see `rlaudio.rollout.prefill`: all questions about one
clip, and one question under several orders of its options. Exact: the plain form, a row for each completion,
is `rlaudio.rollout.canary.plain_logprobs`, and the tests compare both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from rlaudio.models.family import ModelFamily, additive_mask
from rlaudio.rollout.prefill import Prefixes, prefill, shared_prefixes, without_forbidden
from rlaudio.types import Prompt

_CHUNK = 1024  # tokens whose logits exist at a time


@torch.no_grad()
def branch_logprobs(
    family: ModelFamily, prompts: Sequence[Prompt], completions: Sequence[Sequence[np.ndarray]]
) -> list[np.ndarray]:
    """Log-probs [O] float64 of every prompt's completions, token ids [C] each: the sums over their tokens.

    Raises ValueError for a completion without tokens.
    """
    for prompt, given in zip(prompts, completions, strict=True):
        if not given or not all(map(len, given)):
            raise ValueError(
                f"question {prompt.question.id}: found no completion, or one without tokens; expected at "
                "least one, each with a token"
            )
    prefixes = shared_prefixes(prompts, family.forbidden_token_ids)
    cache, first = prefill(family, prefixes)  # logits of every first token [B, V]
    branches = _Branches.of(completions)
    firsts = without_forbidden(first, family).log_softmax(-1).cpu()
    sums = [[float(firsts[row, ids[0]]) for ids in given] for row, given in enumerate(completions)]
    if branches.width:
        after = _logprobs_behind_the_first(family, prefixes, cache, branches)
        for row, option, value in zip(branches.rows, branches.options, after, strict=True):
            sums[row][option] += value
    return [np.array(of_prompt, dtype=np.float64) for of_prompt in sums]


def _logprobs_behind_the_first(
    family: ModelFamily, prefixes: Prefixes, cache: object, branches: _Branches
) -> list[float]:
    """Log-prob of each token that follows another of its completion, in the order of `branches.rows`."""
    device = family.device
    lengths = torch.tensor([len(prompt.token_ids) for prompt in prefixes.prompts])
    positions = lengths[:, None] + torch.from_numpy(branches.offsets)  # [B, width]
    held = prefixes.held()[:, None, None, :].expand(-1, 1, branches.width, -1)
    visible = torch.cat([held, torch.from_numpy(branches.seen())[:, None]], dim=-1)
    hidden = family.hidden(
        family.embed(torch.from_numpy(branches.tokens).to(device)),
        positions.to(device),
        additive_mask(visible.to(device), family.dtype),
        cache,
    )
    predicting = hidden[branches.rows, branches.slots]  # [N, d]
    targets = torch.from_numpy(branches.targets).to(device)
    values: list[float] = []
    for start in range(0, len(targets), _CHUNK):
        part = slice(start, start + _CHUNK)
        logprobs = without_forbidden(family.head(predicting[part]), family).log_softmax(-1)
        values += logprobs.gather(-1, targets[part, None]).squeeze(-1).tolist()
    return values


@dataclass(frozen=True)
class _Branches:
    """Completions side by side in a row behind their prompt, each without its last token. N predictions."""

    tokens: np.ndarray  # [B, width] int64
    offsets: np.ndarray  # [B, width] place of a token in its completion
    numbers: np.ndarray  # [B, width] completion that a token belongs to, -1: padding
    rows: list[int]  # [N] prompt, completion and slot of every token that predicts the next
    options: list[int]  # [N]
    slots: list[int]  # [N]
    targets: np.ndarray  # [N] int64, the token that is predicted

    @property
    def width(self) -> int:
        """Slots of a row."""
        return self.tokens.shape[1]

    def seen(self) -> np.ndarray:
        """Which slots of its row each slot attends to, bool [B, width, width]: itself and those before it."""
        same = self.numbers[:, :, None] == self.numbers[:, None, :]
        return same & np.tri(self.width, dtype=bool)

    @classmethod
    def of(cls, completions: Sequence[Sequence[np.ndarray]]) -> _Branches:
        """The completions, token ids [C] each, of every prompt."""
        shape = len(completions), max(sum(len(ids) - 1 for ids in given) for given in completions)
        tokens, offsets = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        numbers = np.full(shape, -1)
        rows: list[int] = []
        options: list[int] = []
        slots: list[int] = []
        targets = [np.zeros(0, dtype=np.int64)]
        for row, given in enumerate(completions):
            start = 0
            for option, ids in enumerate(given):
                end = start + len(ids) - 1
                tokens[row, start:end], offsets[row, start:end] = ids[:-1], np.arange(len(ids) - 1)
                numbers[row, start:end] = option
                rows += [row] * (end - start)
                options += [option] * (end - start)
                slots += range(start, end)
                targets.append(ids[1:])
                start = end
        return cls(tokens, offsets, numbers, rows, options, slots, np.concatenate(targets))
