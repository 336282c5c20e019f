"""Rollouts with the model itself, on any device that torch runs on.

Every prompt is computed once. The G completions of a question grow side by side in one cache row, laid
out like the training batch: at step t the row holds `[prompt | t tokens of each of the G completions]`,
G new tokens attend to the prompt and to their own completion, and nothing is ever copied G times.
What prompts of a batch begin with in common is computed once, see `rlaudio.rollout.prefill`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch

from rlaudio.models.family import ModelFamily, additive_mask
from rlaudio.rollout.branch_logprobs import branch_logprobs
from rlaudio.rollout.prefill import batches, prefill, shared_prefixes, without_forbidden
from rlaudio.rollout.token_sampling import Drawn, draw
from rlaudio.rollout.worker import SeedKey
from rlaudio.types import Completion, Group, Prompt, SamplingParams
from rlaudio.utils.randomness import generator


class Transformers:
    """A rollout worker on the family's own model, in this process.

    It samples from the tensors that training updates, so `load_weights` has nothing to copy then.
    `batch_tokens` bounds the cache: questions of a batch x (prompt + group size x new tokens).
    """

    def __init__(self, family: ModelFamily, *, batch_tokens: int = 65_536):
        self.family = family
        self.batch_tokens = batch_tokens
        self.weights_version = 0
        self._closed = False

    @torch.no_grad()
    def generate(self, prompts: Sequence[Prompt], sampling: SamplingParams, key: SeedKey) -> list[Group]:
        """One group of completions per prompt, in the order of the prompts."""
        if self._closed:
            raise RuntimeError("the worker is closed; make a new one")
        groups: dict[int, Group] = {}
        new_tokens = [sampling.group_size * sampling.max_new_tokens] * len(prompts)
        for indices in self._batches(prompts, new_tokens):
            batch = [prompts[i] for i in indices]
            for i, completions in zip(indices, self._complete(batch, sampling, key), strict=True):
                groups[i] = Group(prompts[i], completions)
        return [groups[i] for i in range(len(prompts))]

    def completion_logprobs(
        self, prompts: Sequence[Prompt], completions: Sequence[Sequence[np.ndarray]]
    ) -> list[np.ndarray]:
        """Log-probs of given completions; see `LogprobWorker`."""
        if self._closed:
            raise RuntimeError("the worker is closed; make a new one")
        measured: dict[int, np.ndarray] = {}
        new_tokens = [sum(map(len, given)) for given in completions]
        for indices in self._batches(prompts, new_tokens):
            batch = [prompts[i] for i in indices], [completions[i] for i in indices]
            measured |= zip(indices, branch_logprobs(self.family, *batch), strict=True)
        return [measured[i] for i in range(len(prompts))]

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]], version: int) -> None:
        """Load the tensors; completions from now on carry `version`."""
        self.family.load_weights(weights)
        self.weights_version = version

    def sleep(self) -> None:
        """There is nothing to free: the model belongs to the family."""

    def close(self) -> None:
        """Refuse to generate from now on."""
        self._closed = True

    # --- one batch -----------------------------------------------------------------------------

    def _batches(self, prompts: Sequence[Prompt], new_tokens: Sequence[int]) -> Iterator[list[int]]:
        return batches(prompts, new_tokens, self.family.forbidden_token_ids, self.batch_tokens)

    def _complete(
        self, prompts: Sequence[Prompt], sampling: SamplingParams, key: SeedKey
    ) -> list[tuple[Completion, ...]]:
        device = self.family.device
        prefixes = shared_prefixes(prompts, self.family.forbidden_token_ids)
        lengths = torch.tensor([len(p.token_ids) for p in prompts], device=device)  # [B]
        rows = _Rows(lengths, prefixes.held().to(device), sampling.group_size)
        cache, logits = prefill(self.family, prefixes)  # logits of the first token [B, V]
        logits = logits.repeat_interleave(sampling.group_size, dim=0)  # [B*G, V]
        uniforms = torch.from_numpy(_uniforms(prompts, sampling, key)).to(device)  # [B, G, max new tokens]
        drafts = _Drafts(len(prompts), sampling, self.family.stop_token_ids)
        live = np.arange(len(prompts))  # questions still in the cache
        for step in range(sampling.max_new_tokens):
            drawn = draw(without_forbidden(logits, self.family), sampling, uniforms[live, :, step].flatten())
            drafts.add(live, drawn)
            keep = np.flatnonzero(~drafts.finished[live].all(axis=1))
            if len(keep) == 0 or step + 1 == sampling.max_new_tokens:
                break
            tokens = drawn.tokens.view(len(live), -1)  # [B, G]
            if len(keep) <= len(live) // 2:  # drop finished questions once they are half of the cache
                live, tokens, rows = live[keep], tokens[keep], rows.select(keep)
                cache.batch_select_indices(torch.from_numpy(keep).to(device))
            hidden = self.family.hidden(
                self.family.embed(tokens), rows.positions(step), self._mask(rows.visible(step)), cache
            )
            logits = self.family.head(hidden).flatten(0, 1)  # [B*G, V]
        return [self._completions(drafts, question) for question in range(len(prompts))]

    def _mask(self, allowed: torch.Tensor) -> torch.Tensor:
        return additive_mask(allowed, self.family.dtype)

    def _completions(self, drafts: _Drafts, question: int) -> tuple[Completion, ...]:
        completions = []
        for sample in range(drafts.lengths.shape[1]):
            ids, logprobs, support = drafts.cut(question, sample)
            completions.append(
                Completion.single_turn(
                    token_ids=ids,
                    logprobs=logprobs,
                    text=self.family.decode(ids),
                    token_texts=self.family.token_texts(ids),
                    stop_reason="stop" if drafts.finished[question, sample] else "length",
                    weights_version=self.weights_version,
                    support=support,
                )
            )
        return tuple(completions)


class _Rows:
    """Where the tokens of a batch stand: the slots of the prompts, then G slots for every step."""

    def __init__(self, lengths: torch.Tensor, held: torch.Tensor, group_size: int):
        self.lengths = lengths  # [B] prompt tokens of each row
        self.held = held  # [B, prompt slots] bool, False: padding
        self.group_size = group_size

    def select(self, keep: np.ndarray) -> _Rows:
        return _Rows(self.lengths[keep], self.held[keep], self.group_size)

    def positions(self, step: int) -> torch.Tensor:
        """Positions [B, G] of the tokens drawn at `step`."""
        return (self.lengths + step).unsqueeze(1).expand(-1, self.group_size)

    def visible(self, step: int) -> torch.Tensor:
        """Which slots [B, 1, G, prompt slots + (step + 1) G] the tokens drawn at `step` attend to."""
        same_completion = torch.eye(self.group_size, dtype=torch.bool, device=self.held.device)
        same_completion = same_completion.repeat(1, step + 1)  # [G, (step+1) G]
        return torch.cat(
            [
                self.held[:, None, None, :].expand(-1, 1, self.group_size, -1),
                same_completion[None, None].expand(len(self.lengths), -1, -1, -1),
            ],
            dim=-1,
        )


class _Drafts:
    """The completions of a batch while they grow."""

    def __init__(self, count: int, sampling: SamplingParams, stop_token_ids: Sequence[int]):
        shape = (count, sampling.group_size)
        self.stop_token_ids = np.array(stop_token_ids)
        self.finished = np.zeros(shape, dtype=bool)
        self.lengths = np.zeros(shape, dtype=np.int64)
        self.tokens: list[np.ndarray] = []  # of each step: [Q, G]
        self.logprobs: list[np.ndarray] = []
        self.support: list[np.ndarray] = []  # of each step: [Q, G, K], K differs between steps

    def add(self, live: np.ndarray, drawn: Drawn) -> None:
        """Append one step's tokens to the completions of the `live` questions."""
        shape = (len(live), self.lengths.shape[1])
        tokens = drawn.tokens.cpu().numpy().reshape(shape)
        self.tokens.append(self._scatter(live, tokens))
        self.logprobs.append(self._scatter(live, drawn.logprobs.cpu().numpy().reshape(shape)))
        if drawn.support is not None:
            self.support.append(self._scatter(live, drawn.support.cpu().numpy().reshape(*shape, -1)))
        self.lengths[live] += ~self.finished[live]
        self.finished[live] |= np.isin(tokens, self.stop_token_ids)

    def cut(self, question: int, sample: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Token ids [C], log-probs [C] and support [C, K] of one completion."""
        steps = range(self.lengths[question, sample])
        ids = np.array([self.tokens[t][question, sample] for t in steps], dtype=np.int64)
        logprobs = np.array([self.logprobs[t][question, sample] for t in steps], dtype=np.float32)
        if not self.support:
            return ids, logprobs, None
        support = np.full((len(ids), max(s.shape[-1] for s in self.support)), -1, dtype=np.int64)
        for t in steps:
            row = self.support[t][question, sample]
            support[t, : len(row)] = row
        return ids, logprobs, support

    def _scatter(self, live: np.ndarray, values: np.ndarray) -> np.ndarray:
        full = np.zeros((len(self.lengths), *values.shape[1:]), dtype=values.dtype)
        full[live] = values
        return full


def _uniforms(prompts: Sequence[Prompt], sampling: SamplingParams, key: SeedKey) -> np.ndarray:
    """Uniform numbers [B, G, max new tokens], each completion's own by (key, item, sample)."""
    if sampling.temperature == 0.0:
        return np.zeros((len(prompts), sampling.group_size, sampling.max_new_tokens))
    return np.stack(
        [
            [generator(*key, p.question.id, sample).random(sampling.max_new_tokens)
             for sample in range(sampling.group_size)]
            for p in prompts
        ]
    )  # fmt: skip
