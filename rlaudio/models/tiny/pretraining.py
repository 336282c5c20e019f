"""Training a blank model on lessons: clips, and what one may be asked and should say about each.

All exchanges of a lesson share its clip: a row is `[system, clip | exchange 1 | exchange 2 | ...]`, and no
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
from rlaudio.types import Clip, Prompt, Question

logger = logging.getLogger(__name__)

DEFAULT_SYSTEM = "You are a helpful assistant."
_NO_QUESTION = Question(id="lesson", question="", choices=(), answer="", audio_path=None)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Exchange:
    """What the user says and what the assistant should answer."""

    instruction: str
    response: str


@dataclass(frozen=True, eq=False)
class Lesson:
    """A clip (None: text alone) and independent exchanges about it under one system prompt."""

    clip: Clip | None
    exchanges: tuple[Exchange, ...]
    system: str = DEFAULT_SYSTEM


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """AdamW with linear warm-up and cosine decay to a tenth."""

    steps: int
    tokens: int = 2400  # per step, padding included
    lr: float = 1e-3
    warmup_steps: int = 100
    weight_decay: float = 0.01
    instruction_weight: float = 0.0  # of the tokens of instructions in the loss; responses have 1
    max_grad_norm: float = 1.0

    def lr_at(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        if step < self.warmup_steps:
            return self.lr * (step + 1) / self.warmup_steps
        done = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        return self.lr * (0.1 + 0.45 * (1.0 + math.cos(math.pi * done)))


@dataclass(frozen=True, eq=False)
class Encoded:
    """A lesson as token ids: where its clip comes in, which tokens belong together, what is to be learned."""

    token_ids: np.ndarray  # [T]
    positions: np.ndarray  # [T]
    branches: np.ndarray  # [T] 0: shared by all; exchanges count from 1
    is_target: np.ndarray  # [T] bool
    prompt: Prompt | None  # carries the clip's features


def encode(family: Qwen2_5Omni, lesson: Lesson) -> Encoded:
    """Token ids of a lesson, in the layout that `family.encode_prompt` gives each exchange by itself."""
    shared, prompt = _shared_prefix(family, lesson)
    opening = "<|audio_eos|>" if lesson.clip is not None else ""
    token_ids, positions = [shared], [np.arange(len(shared))]
    branches, is_target = [np.zeros(len(shared), dtype=np.int64)], [np.zeros(len(shared), dtype=bool)]
    for number, exchange in enumerate(lesson.exchanges, start=1):
        asked = _ids(family, f"{opening}{exchange.instruction}<|im_end|>\n<|im_start|>assistant\n")
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
    lessons: Sequence[Encoded],
    schedule: Schedule,
    *,
    seed: int,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> None:
    """Train all parts that are not frozen on random lessons; `on_step` gets each step's number and loss."""
    parameters = [p for p in family.model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=schedule.lr, betas=(0.9, 0.98), weight_decay=schedule.weight_decay
    )
    batches = _batches(lessons, schedule.tokens, np.random.default_rng(seed))
    for step in range(schedule.steps):
        for group in optimizer.param_groups:
            group["lr"] = schedule.lr_at(step)
        loss = mean_loss(family, next(batches), schedule.instruction_weight)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, schedule.max_grad_norm)
        optimizer.step()
        on_step(step, loss.item())


def mean_loss(family: Qwen2_5Omni, batch: Sequence[Encoded], instruction_weight: float = 0.0) -> torch.Tensor:
    """Mean cross-entropy over the tokens of responses and, with a weight of theirs, of instructions."""
    stacked = _Stacked(batch)
    weights = stacked.is_response.float()  # [B, T - 1]
    if instruction_weight > 0.0:
        weights = torch.where(stacked.is_instruction, instruction_weight, weights)
    wanted = weights > 0.0
    logits = family.head(stacked.hidden(family)[wanted])  # [N, V]
    losses = torch.nn.functional.cross_entropy(logits, stacked.next_ids[wanted], reduction="none")
    return (losses * weights[wanted]).sum() / weights.sum()


class _Stacked:
    """A batch of lessons padded to the longest. What predicts token t + 1 stands at t: [B, T - 1]."""

    def __init__(self, batch: Sequence[Encoded]):
        self.token_ids = _stack([e.token_ids for e in batch], 0)  # [B, T]
        self.positions = _stack([e.positions for e in batch], 0)
        self.branches = _stack([e.branches for e in batch], -1)
        self.prompts = [e.prompt for e in batch if e.prompt is not None]
        self.next_ids = self.token_ids[:, 1:]
        self.is_response = _stack([e.is_target for e in batch], 0).bool()[:, 1:]
        within = (self.branches[:, 1:] == self.branches[:, :-1]) & (self.branches[:, 1:] > 0)
        self.is_instruction = within & ~self.is_response

    def hidden(self, family: Qwen2_5Omni) -> torch.Tensor:
        """Last hidden states [B, T - 1, d]."""
        mask = additive_mask(_visible(self.branches), torch.float32)
        embeddings = family.embed(self.token_ids, self.prompts)
        return family.hidden(embeddings, self.positions, mask)[:, :-1]


def exact_answers(family: Qwen2_5Omni, lessons: Sequence[Encoded], size: int = 64) -> np.ndarray:
    """Whether greedy decoding would give exactly the response, one bool per exchange, lesson after lesson."""
    right: list[np.ndarray] = []
    order = np.argsort([len(e.token_ids) for e in lessons], kind="stable")
    with torch.no_grad():
        for start in range(0, len(order), size):
            batch = [lessons[i] for i in order[start : start + size]]
            stacked = _Stacked(batch)
            wanted = stacked.is_response
            hits = (
                family.head(stacked.hidden(family)[wanted]).argmax(-1) == stacked.next_ids[wanted]
            ).numpy()
            counts = [
                [int((e.is_target & (e.branches == b)).sum()) for b in range(1, e.branches.max() + 1)]
                for e in batch
            ]
            ends = np.cumsum([c for lesson in counts for c in lesson])
            flat = np.array([part.all() for part in np.split(hits, ends[:-1])])
            right.extend(np.split(flat, np.cumsum([len(lesson) for lesson in counts])[:-1]))
    restored = [right[i] for i in np.argsort(order)]
    return np.concatenate(restored)


def _shared_prefix(family: Qwen2_5Omni, lesson: Lesson) -> tuple[np.ndarray, Prompt | None]:
    if lesson.clip is None:
        return _ids(family, f"<|im_start|>system\n{lesson.system}<|im_end|>\n<|im_start|>user\n"), None
    prompt = family.encode_prompt(_NO_QUESTION, lesson.system, "", lesson.clip)
    end = int(np.flatnonzero(prompt.token_ids == family.audio_token_id)[-1]) + 1
    return prompt.token_ids[:end], prompt


def _ids(family: Qwen2_5Omni, text: str) -> np.ndarray:
    return np.array(family.tokenizer.encode(text, add_special_tokens=False), dtype=np.int64)


def _batches(lessons: Sequence[Encoded], tokens: int, rng: np.random.Generator) -> Iterator[list[Encoded]]:
    """Batches without end, of lessons of similar length up to a padded size; a pass sees each lesson once."""
    while True:
        order = rng.permutation(len(lessons))
        for pool in np.split(order, range(256, len(order), 256)):
            batches: list[list[Encoded]] = [[]]
            for lesson in sorted((lessons[i] for i in pool), key=lambda e: len(e.token_ids)):
                if batches[-1] and len(lesson.token_ids) * (len(batches[-1]) + 1) > tokens:
                    batches.append([])
                batches[-1].append(lesson)
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
