"""SFT targets as a rollout worker: with it SFT uses the same loop as RL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import torch

from rlaudio.answers import sft_target
from rlaudio.models.family import ModelFamily
from rlaudio.rollout.worker import SeedKey
from rlaudio.types import Completion, Group, Prompt, SamplingParams


class TargetWorker:
    """Completes every prompt with the SFT target of its question; log-probs are 0."""

    def __init__(self, family: ModelFamily, target: Literal["answer", "structured", "simple"]):
        self.family = family
        self.target = target
        self.weights_version = 0

    def generate(self, prompts: Sequence[Prompt], sampling: SamplingParams, key: SeedKey) -> list[Group]:
        """One group of one completion per prompt. Raises ValueError if a question lacks the annotation."""
        return [Group(prompt, (self._complete(prompt),)) for prompt in prompts]

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]], version: int) -> None:
        """Only the version changes: targets do not depend on weights."""
        self.weights_version = version

    def sleep(self) -> None:
        """There is nothing to free."""

    def close(self) -> None:
        """Nothing to free."""

    def _complete(self, prompt: Prompt) -> Completion:
        text = sft_target(prompt.question, self.target)
        ids = self.family.encode_completion(text)
        return Completion.single_turn(
            token_ids=ids,
            logprobs=np.zeros(len(ids), dtype=np.float32),
            text=text,
            token_texts=self.family.token_texts(ids),
            stop_reason="stop",
            weights_version=self.weights_version,
        )
