"""A rollout worker on an engine that holds its own copy of the weights.

Shared by all such workers: the engine follows the family's weights, a canary compares both after
every update, prompts that do not fit are refused or answered by the transformers worker.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Literal, Protocol

import numpy as np
import torch

from rlaudio.models.family import ModelFamily
from rlaudio.rollout.canary import Canary
from rlaudio.rollout.completions import SampledTokens, likeliest_to_report, request_seed, to_completion
from rlaudio.rollout.transformers import Transformers
from rlaudio.rollout.worker import SeedKey
from rlaudio.types import Group, Prompt, SamplingParams

logger = logging.getLogger(__name__)


class Engine(Protocol):
    """An engine that samples from its own copy of the weights, in this process or elsewhere."""

    vocabulary: int

    @property
    def prompt_tokens(self) -> int:
        """Prompt tokens of requests so far, as the engine counts them."""

    @property
    def cached_tokens(self) -> int:
        """Prompt tokens that were in its prefix cache."""

    @property
    def awake(self) -> bool:
        """Whether it holds its weights and caches now."""

    def sample(
        self, prompts: Sequence[Prompt], sampling: SamplingParams, report: int, seeds: Sequence[int]
    ) -> list[list[SampledTokens]]:
        """The tokens of every prompt's group, `report` likeliest tokens beside each. Raises EngineDied."""

    def update(self, weights: Iterable[tuple[str, torch.Tensor]], version: int) -> None:
        """Load tensors named as in the checkpoint, and empty every cache that depends on them.

        Raises EngineDied.
        """

    def sleep(self) -> None:
        """Free memory until the engine is needed again."""

    def close(self) -> None:
        """Free memory and end processes."""


class EngineWorker:
    """A rollout worker on an engine; without one the transformers worker samples.

    `max_model_len` limits the tokens of prompt and completion together. A longer prompt is refused or
    answered by the transformers worker, and counted.
    """

    temperatures = (0.01, 2.0)  # vLLM raises lower ones to this and refuses higher ones
    opened_together = False  # whether all processes of a run must open the engine together

    def __init__(
        self,
        family: ModelFamily,
        engine: Engine | None,
        *,
        max_model_len: int,
        support_tokens: int,
        too_long: Literal["refuse", "transformers"],
        canary_tolerance: float | None,
    ):
        self.family = family
        self.weights_version = 0
        self.too_long_prompts = 0  # answered by the transformers worker so far
        self._max_model_len = max_model_len
        self._support_tokens = support_tokens
        self._too_long = too_long
        self._closed = False
        self._transformers = Transformers(family)
        self._engine = engine
        self._canary = Canary(family, canary_tolerance)

    def generate(self, prompts: Sequence[Prompt], sampling: SamplingParams, key: SeedKey) -> list[Group]:
        """One group of completions per prompt, in the order of the prompts.

        Raises ValueError for prompts that do not fit and sampling that vLLM does not support, EngineDied.
        """
        if self._closed:
            raise RuntimeError("the worker is closed; make a new one")
        if self._engine is None:
            return self._transformers.generate(prompts, sampling, key)
        self.check_temperature(sampling)
        long = [p for p in prompts if len(p.token_ids) + sampling.max_new_tokens > self._max_model_len]
        groups: list[Group] = []
        if long:
            self._count_too_long(long, sampling)
            groups += self._transformers.generate(long, sampling, key)
        groups += self._sample([p for p in prompts if p not in long], sampling, key)
        by_prompt = {id(group.prompt): group for group in groups}
        return [by_prompt[id(prompt)] for prompt in prompts]

    def completion_logprobs(
        self, prompts: Sequence[Prompt], completions: Sequence[Sequence[np.ndarray]]
    ) -> list[np.ndarray]:
        """Log-probs of given completions, see `LogprobWorker`: of the family's own model.

        An engine would compute every prompt again for each of its completions.
        """
        if self._closed:
            raise RuntimeError("the worker is closed; make a new one")
        return self._transformers.completion_logprobs(prompts, completions)

    @classmethod
    def check_temperature(cls, sampling: SamplingParams) -> None:
        """Raises ValueError for a temperature that the engine does not sample at."""
        low, high = cls.temperatures
        if sampling.temperature and not low <= sampling.temperature <= high:
            raise ValueError(
                f"temperature is {sampling.temperature:g}; vLLM samples at {low} to {high}, or takes the "
                "likeliest token at 0"
            )

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]], version: int) -> None:
        """Load the tensors into the family's model and the engine; completions now carry `version`.

        Raises CanaryError if both engines then disagree, EngineDied.
        """
        self.family.load_weights(weights)
        self.weights_version = self._transformers.weights_version = version
        if self._engine is not None:
            self._send(self._engine, f"after sending weights version {version}")

    def sleep(self) -> None:
        """Free memory until the engine is needed again, where the engine can."""
        if self._engine is not None:
            self._engine.sleep()

    def close(self) -> None:
        """Free memory, end processes, and refuse to generate from now on."""
        if self._engine is not None and not self._closed:
            self._engine.close()
        self._closed = True

    @property
    def prompt_tokens(self) -> tuple[int, int]:
        """Prompt tokens sent to the engine so far, and how many of them were in its prefix cache."""
        return (self._engine.prompt_tokens, self._engine.cached_tokens) if self._engine else (0, 0)

    def _send(self, engine: Engine, phase: str, *, whole: bool = False) -> None:
        """Send the family's trained weights, or all of them, to the engine and run the canary."""
        if engine.awake:
            self._canary.enter_caches(self._sample)
        weights = self.family.checkpoint_weights(whole=True) if whole else self.family.checkpoint_weights()
        engine.update(weights, self.weights_version)
        self._canary.check(self._sample, phase)

    def _sample(self, prompts: Sequence[Prompt], sampling: SamplingParams, key: SeedKey) -> list[Group]:
        assert self._engine is not None
        vocabulary = self._engine.vocabulary
        report = likeliest_to_report(sampling, vocabulary, self._support_tokens)
        seeds = [request_seed(key, prompt.question.id) for prompt in prompts]
        return [
            Group(
                prompt,
                tuple(
                    to_completion(
                        self.family, tokens, self.weights_version, support=report, vocabulary=vocabulary
                    )
                    for tokens in sampled
                ),
            )
            for prompt, sampled in zip(
                prompts, self._engine.sample(prompts, sampling, report, seeds), strict=True
            )
        ]

    def _count_too_long(self, prompts: Sequence[Prompt], sampling: SamplingParams) -> None:
        longest = max(prompts, key=lambda p: len(p.token_ids))
        message = (
            f"{len(prompts)} prompts do not fit: question {longest.question.id} has "
            f"{len(longest.token_ids)} tokens, completions {sampling.max_new_tokens}, and "
            f"rollout.max_model_len is {self._max_model_len}"
        )
        if self._too_long == "refuse":
            raise ValueError(
                f"{message}; raise it, lower audio.max_seconds, or set rollout.too_long to 'transformers'"
            )
        self.too_long_prompts += len(prompts)
        logger.warning("%s; the model itself answers (%d so far)", message, self.too_long_prompts)
