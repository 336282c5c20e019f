"""What the prompts of a batch begin with in common, so that it is computed once, and where tokens stand.

Questions about the same clip share the clip and the text before and behind it, as far as they are equal:
several questions, option orders, a whole labelling in silence. Other prompts share the text before the audio.
A CPU computes them one behind another, without padding or masks; a GPU in padded rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from rlaudio.models.family import ModelFamily, additive_mask
from rlaudio.models.shared.branching import Branching
from rlaudio.models.shared.growing_cache import part_rows
from rlaudio.models.shared.prefixes import before_media, common_start
from rlaudio.types import Prompt

FEW, MOST_PADDING = 32, 1.25  # from so many questions on one so much longer begins another batch


@dataclass(frozen=True)
class Prefixes:
    """The beginnings of a batch's prompts; every prompt has tokens behind its own."""

    prompts: Sequence[Prompt]  # of the batch, B
    starts: Sequence[Prompt]  # one prompt for every prefix, U; prefix u is its first `lengths[u]` tokens
    lengths: np.ndarray  # [U]
    owner: np.ndarray  # [B], the prefix that each prompt begins with
    with_audio: bool  # whether the audio is in the prefixes; else it stands behind them

    @property
    def width(self) -> int:
        """Slots for a prefix; those of shorter ones are padding."""
        return int(self.lengths.max())

    @cached_property
    def rest(self) -> np.ndarray:
        """Tokens [B] of every prompt behind its prefix."""
        return np.array([len(p.token_ids) for p in self.prompts]) - self.lengths[self.owner]

    def first_tokens(self) -> torch.Tensor:
        """Token ids [U, width] of the prefixes."""
        ends = self.lengths.tolist()
        return _padded([p.token_ids[:end] for p, end in zip(self.starts, ends, strict=True)])

    def rest_tokens(self) -> torch.Tensor:
        """Token ids [B, longest rest] of what stands behind them."""
        begins = self.lengths[self.owner].tolist()
        return _padded([p.token_ids[begin:] for p, begin in zip(self.prompts, begins, strict=True)])

    def rest_positions(self) -> torch.Tensor:
        """Positions [B, longest rest] of those tokens."""
        begins = torch.from_numpy(self.lengths[self.owner])
        return begins[:, None] + torch.arange(int(self.rest.max()))

    def held(self) -> torch.Tensor:
        """Which slots of a prompt hold its tokens, bool [B, width + longest rest]: the others are padding."""
        prefix = torch.arange(self.width) < torch.from_numpy(self.lengths[self.owner])[:, None]
        rest = torch.arange(int(self.rest.max())) < torch.from_numpy(self.rest)[:, None]
        return torch.cat([prefix, rest], dim=1)

    def visible(self) -> torch.Tensor:
        """Which slots the tokens behind the prefixes attend to, bool [B, 1, longest rest, slots]."""
        longest = int(self.rest.max())
        prefix = self.held()[:, None, None, : self.width].expand(-1, 1, longest, -1)
        causal = torch.ones(longest, longest, dtype=torch.bool).tril().expand(len(self.prompts), 1, -1, -1)
        return torch.cat([prefix, causal], dim=-1)


def prefill(family: ModelFamily, prefixes: Prefixes) -> tuple[Any, torch.Tensor]:
    """A cache that holds every prompt, and the logits [B, V] of the first token behind it."""
    return _packed(family, prefixes) if family.packs_prompts else _in_rows(family, prefixes)


def _packed(family: ModelFamily, prefixes: Prefixes) -> tuple[Any, torch.Tensor]:
    """Prefixes and what follows on them one behind another, as in training; then the cache is parted."""
    owned = [np.flatnonzero(prefixes.owner == number) for number in range(len(prefixes.starts))]
    lengths = tuple(
        (int(length), tuple(prefixes.rest[prompts].tolist()))
        for length, prompts in zip(prefixes.lengths, owned, strict=True)
    )
    branching, tokens = Branching(lengths), []
    slots = torch.zeros(len(prefixes.prompts), prefixes.width + int(prefixes.rest.max()), dtype=torch.long)
    for start, row, prompts in zip(prefixes.starts, branching.rows, owned, strict=True):
        tokens.append(start.token_ids[: row.prompt])
        slots[prompts, : row.prompt] = torch.arange(row.start, row.fork)
        for prompt, (begin, end) in zip(prompts, row.branch_spans(), strict=True):
            tokens.append(prefixes.prompts[prompt].token_ids[row.prompt :])
            slots[prompt, prefixes.width : prefixes.width + end - begin] = torch.arange(begin, end)
    heard = prefixes.starts if prefixes.with_audio else prefixes.prompts
    cache, device = family.new_cache(), family.device
    embeddings = family.embed(torch.from_numpy(np.concatenate(tokens))[None].to(device), heard)
    hidden = family.hidden(embeddings, branching.positions[None].to(device), branching, cache)
    last = slots[torch.arange(len(slots)), prefixes.width + torch.from_numpy(prefixes.rest) - 1]
    part_rows(cache, slots.to(device))
    return cache, family.head(hidden[0, last.to(device)])


def _in_rows(family: ModelFamily, prefixes: Prefixes) -> tuple[Any, torch.Tensor]:
    """Prefixes in rows, then what follows on them in rows, under masks."""
    cache, device = family.new_cache(), family.device
    rest, positions = prefixes.rest_tokens().to(device), prefixes.rest_positions().to(device)
    mask = None  # nothing attends to the padding behind a prompt
    if prefixes.width:
        heard = prefixes.starts if prefixes.with_audio else ()
        first = family.embed(prefixes.first_tokens().to(device), heard)
        family.hidden(first, _count(first), None, cache)
        cache.batch_select_indices(torch.from_numpy(prefixes.owner).to(device))
        mask = additive_mask(prefixes.visible().to(device), family.dtype)
    embeddings = family.embed(rest, () if prefixes.with_audio else prefixes.prompts)
    hidden = family.hidden(embeddings, positions, mask, cache)
    last = hidden[torch.arange(len(rest), device=device), torch.from_numpy(prefixes.rest).to(device) - 1]
    return cache, family.head(last)


def without_forbidden(logits: torch.Tensor, family: ModelFamily) -> torch.Tensor:
    """The logits [N, V] in float32, those of media placeholders at minus infinity."""
    logits = logits.float()
    logits[:, list(family.forbidden_token_ids)] = float("-inf")
    return logits


def batches(
    prompts: Sequence[Prompt], new_tokens: Sequence[int], media: Sequence[int], max_tokens: int
) -> Iterator[list[int]]:
    """Indices of prompts of similar length whose cache stays within `max_tokens`; a longer one goes alone.

    A prompt needs its tokens and its `new_tokens` in the cache. Those about the same clip go together: what
    they share is no reason to part them.
    """
    shared = int(shared_prefixes(prompts, media).lengths.min()) if prompts else 0
    by_clip = same_clip(prompts, media)
    longest = [max(len(prompts[i].token_ids) for i in indices) for indices in by_clip]
    batch: list[int] = []
    shortest = new = 0
    for clip in sorted(range(len(by_clip)), key=lambda clip: longest[clip]):
        for i in sorted(by_clip[clip], key=lambda i: len(prompts[i].token_ids)):
            length, wanted = longest[clip], max(new, new_tokens[i])
            full = batch and (length + wanted) * (len(batch) + 1) > max_tokens
            if full or (len(batch) >= FEW and length - shared > MOST_PADDING * (shortest - shared)):
                yield batch
                batch, wanted = [], new_tokens[i]
            shortest, new = (shortest if batch else length), wanted
            batch.append(i)
    if batch:
        yield batch


def shared_prefixes(prompts: Sequence[Prompt], media: Sequence[int]) -> Prefixes:
    """What these prompts begin with in common; `media` are the tokens that stand for audio."""
    clips = same_clip(prompts, media)
    if len(clips) < len(prompts):
        return _by_clip(prompts, clips, media)
    shared = 0
    if len(prompts) > 1:
        shared = before_media(prompts[0].token_ids[: common_start([p.token_ids for p in prompts])], media)
    owner = np.zeros(len(prompts), dtype=np.int64)
    return Prefixes(prompts, prompts[:1], np.array([shared]), owner, with_audio=False)


def same_clip(prompts: Sequence[Prompt], media: Sequence[int]) -> list[list[int]]:
    """Indices of the prompts that begin with the same text and the same audio, in the order of the first."""
    alike: dict[tuple[str, bytes], list[int]] = {}
    for index, prompt in enumerate(prompts):
        until_audio = prompt.token_ids[: _end_of_media(prompt, media)]
        alike.setdefault((prompt.audio_digest, until_audio.tobytes()), []).append(index)
    return list(alike.values())


def _by_clip(prompts: Sequence[Prompt], clips: Sequence[Sequence[int]], media: Sequence[int]) -> Prefixes:
    starts = [prompts[indices[0]] for indices in clips]
    several = {n: common_start([prompts[i].token_ids for i in v]) for n, v in enumerate(clips) if len(v) > 1}
    lengths = [
        several[number] if number in several else _alone(start, max(several.values()), media)
        for number, start in enumerate(starts)
    ]
    owner = np.empty(len(prompts), dtype=np.int64)
    for number, indices in enumerate(clips):
        owner[list(indices)] = number
    return Prefixes(prompts, starts, np.array(lengths), owner, with_audio=True)


def _alone(prompt: Prompt, width: int, media: Sequence[int]) -> int:
    """Where a prompt that shares nothing is cut: behind its audio, and so that little is padded."""
    return int(np.clip(width, _end_of_media(prompt, media), len(prompt.token_ids) - 1))


def _end_of_media(prompt: Prompt, media: Sequence[int]) -> int:
    places = np.flatnonzero(np.isin(prompt.token_ids, np.asarray(media)))
    return int(places[-1]) + 1 if len(places) else 0


def _padded(rows: Sequence[np.ndarray]) -> torch.Tensor:
    padded = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    for number, row in enumerate(rows):
        padded[number, : len(row)] = torch.from_numpy(row)
    return padded


def _count(embeddings: torch.Tensor) -> torch.Tensor:
    """Positions 0, 1, ... of rows that begin at the first, [B, T] of embeddings [B, T, d]."""
    batch, tokens, _ = embeddings.shape
    return torch.arange(tokens, device=embeddings.device).expand(batch, -1)
