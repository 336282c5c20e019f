"""Training of a blank model on examples: clips, and instructions and responses about each.

All exchanges of an example share its clip: a row is `[system, clip | exchange 1 | exchange 2 | ...]`, and no
exchange sees another. Only responses are targets.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from rlaudio.models.family import additive_mask
from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.models.shared.chat_format import AFTER_USER, BEFORE_USER
from rlaudio.types import OpenText, Prompt, Question
from rlaudio.worlds.corpus import Example

logger = logging.getLogger(__name__)

_NO_QUESTION = Question("example", question="", clips=(), target=OpenText())


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """AdamW with linear warm-up and cosine decay to a tenth."""

    steps: int
    tokens: int  # per step, padding included
    lr: float
    warmup_steps: int = 100
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0

    def lr_at(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        if step < self.warmup_steps:
            return self.lr * (step + 1) / self.warmup_steps
        done = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        return self.lr * (0.1 + 0.45 * (1.0 + math.cos(math.pi * done)))


@dataclass(frozen=True, eq=False)
class Encoded:
    """An example as token ids: where its clip is, which tokens belong together, the targets."""

    token_ids: np.ndarray  # [T]
    positions: np.ndarray  # [T]
    branches: np.ndarray  # [T] 0: shared by all; exchanges count from 1
    is_target: np.ndarray  # [T] bool
    prompt: Prompt | None  # carries the clip's features


def encode(family: Qwen2_5Omni, example: Example) -> Encoded:
    """Token ids of an example, in the layout that `family.encode_prompt` gives each exchange by itself."""
    shared, prompt = _shared_prefix(family, example)
    opening = "<|audio_eos|>" if example.clip is not None else ""
    token_ids, positions = [shared], [np.arange(len(shared))]
    branches, is_target = [np.zeros(len(shared), dtype=np.int64)], [np.zeros(len(shared), dtype=bool)]
    for number, exchange in enumerate(example.exchanges, start=1):
        asked = _ids(family, f"{opening}{exchange.instruction}{AFTER_USER}")
        answered = family.encode_completion(exchange.response)
        ids = np.concatenate([asked, answered])
        token_ids.append(ids)
        positions.append(len(shared) + np.arange(len(ids)))
        branches.append(np.full(len(ids), number))
        is_target.append(np.arange(len(ids)) >= len(asked))
    return Encoded(
        token_ids=np.concatenate(token_ids),
        positions=np.concatenate(positions),
        branches=np.concatenate(branches),
        is_target=np.concatenate(is_target),
        prompt=prompt,
    )


def train(
    family: Qwen2_5Omni,
    examples: Sequence[Encoded],
    schedule: Schedule,
    *,
    seed: int,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> None:
    """Train all parts that are not frozen on random examples; `on_step` gets each step's number and loss."""
    parameters = [p for p in family.model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=schedule.lr, betas=(0.9, 0.98), weight_decay=schedule.weight_decay
    )
    batches = _batches(examples, schedule.tokens, np.random.default_rng(seed))
    for step in range(schedule.steps):
        for group in optimizer.param_groups:
            group["lr"] = schedule.lr_at(step)
        loss = mean_loss(family, next(batches))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, schedule.max_grad_norm)
        optimizer.step()
        on_step(step, loss.item())


def mean_loss(family: Qwen2_5Omni, batch: Sequence[Encoded]) -> torch.Tensor:
    """Mean cross-entropy over the tokens of the responses."""
    token_ids = _stack([e.token_ids for e in batch], 0)  # [B, T]
    positions = _stack([e.positions for e in batch], 0)
    branches = _stack([e.branches for e in batch], -1)
    is_target = _stack([e.is_target for e in batch], 0).bool()[:, 1:]  # [B, T - 1], at the predicting token
    prompts = [e.prompt for e in batch if e.prompt is not None]
    mask = additive_mask(_visible(branches), torch.float32)
    hidden = family.hidden(family.embed(token_ids, prompts), positions, mask)[:, :-1]
    logits = family.head(hidden[is_target])  # [N, V]
    losses = torch.nn.functional.cross_entropy(logits, token_ids[:, 1:][is_target], reduction="none")
    return losses.sum() / len(losses)


def _shared_prefix(family: Qwen2_5Omni, example: Example) -> tuple[np.ndarray, Prompt | None]:
    if example.clip is None:
        return _ids(family, BEFORE_USER.format(system=example.system)), None
    prompt = family.encode_prompt(_NO_QUESTION, example.system, "", [example.clip])
    end = int(np.flatnonzero(prompt.token_ids == family.audio_token_id)[-1]) + 1
    return prompt.token_ids[:end], prompt


def _ids(family: Qwen2_5Omni, text: str) -> np.ndarray:
    return np.array(family.tokenizer.encode(text, add_special_tokens=False), dtype=np.int64)


def _batches(examples: Sequence[Encoded], tokens: int, rng: np.random.Generator) -> Iterator[list[Encoded]]:
    """Endless batches of examples of similar length up to a padded size; each pass has every example once."""
    while True:
        order = rng.permutation(len(examples))
        for pool in np.split(order, range(256, len(order), 256)):
            batches: list[list[Encoded]] = [[]]
            for example in sorted((examples[i] for i in pool), key=lambda e: len(e.token_ids)):
                if batches[-1] and len(example.token_ids) * (len(batches[-1]) + 1) > tokens:
                    batches.append([])
                batches[-1].append(example)
            for number in rng.permutation(len(batches)):
                yield batches[number]


def _stack(rows: Sequence[np.ndarray], padding: int) -> torch.Tensor:
    length = max(len(row) for row in rows)
    return torch.from_numpy(
        np.stack([np.pad(row, (0, length - len(row)), constant_values=padding) for row in rows]).astype(
            np.int64
        )
    )


def _visible(branches: torch.Tensor) -> torch.Tensor:
    """Which tokens each token attends to, bool [B, 1, T, T]: the shared ones and its own exchange's."""
    query, key = branches.unsqueeze(2), branches.unsqueeze(1)
    earlier = torch.ones(query.shape[1], query.shape[1], dtype=torch.bool).tril()
    return (((key == 0) | (key == query)) & earlier).unsqueeze(1)
