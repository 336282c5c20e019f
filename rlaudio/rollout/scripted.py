"""A rollout worker without a model: a function gives the answers. For tests and for trying rewards."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch

from rlaudio.rollout.worker import SeedKey
from rlaudio.types import Completion, Group, Prompt, SamplingParams

STOP_TOKEN_ID = 0


class Scripted:
    """Answers prompt p, sample number s with `answer(p, s)`, one token a word, log-prob 0 each.

    The answer is certain, so temperature, top-k and top-p change nothing and the key is not used; only
    `max_new_tokens` is obeyed. Token ids number the words in the order of their first appearance.
    """

    def __init__(self, answer: Callable[[Prompt, int], str]) -> None:
        self.weights_version = 0
        self.calls: list[
            tuple[int, SamplingParams, SeedKey]
        ] = []  # prompts, sampling and key of each `generate`
        self.closed = False
        self._answer = answer
        self._vocabulary: dict[str, int] = {}

    def generate(self, prompts: Sequence[Prompt], sampling: SamplingParams, key: SeedKey) -> list[Group]:
        """One group of `sampling.group_size` completions per prompt, in the order of the prompts."""
        if self.closed:
            raise RuntimeError("the worker is closed; make a new one")
        self.calls.append((len(prompts), sampling, key))
        return [
            Group(
                prompt,
                tuple(
                    self._complete(self._answer(prompt, sample), sampling.max_new_tokens)
                    for sample in range(sampling.group_size)
                ),
            )
            for prompt in prompts
        ]

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]], version: int) -> None:
        """Read the tensors and drop them; completions from now on carry `version`."""
        for _ in weights:
            pass
        self.weights_version = version

    def sleep(self) -> None:
        """There is nothing to free."""

    def close(self) -> None:
        """Refuse to generate from now on."""
        self.closed = True

    def _complete(self, text: str, max_new_tokens: int) -> Completion:
        words = re.findall(r"\s*\S+|\s+$", text)  # joined they give the text again
        kept = words[:max_new_tokens]
        ids = [self._vocabulary.setdefault(word, len(self._vocabulary) + 1) for word in kept]
        finished = len(words) < max_new_tokens  # there is room for the stop token, which has no text
        if finished:
            kept, ids = [*kept, ""], [*ids, STOP_TOKEN_ID]
        return Completion.single_turn(
            token_ids=np.array(ids, dtype=np.int64),
            logprobs=np.zeros(len(ids), dtype=np.float32),
            text="".join(kept),
            token_texts=tuple(kept),
            stop_reason="stop" if finished else "length",
            weights_version=self.weights_version,
        )
