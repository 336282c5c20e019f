"""A rollout worker that reopens its engine when it dies and repeats the failed call."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch

from rlaudio.models.family import ModelFamily
from rlaudio.rollout.canary import CanaryError
from rlaudio.rollout.engine_worker import EngineWorker
from rlaudio.rollout.worker import EngineDied, RolloutWorker, SeedKey, as_logprob_worker
from rlaudio.types import Group, Prompt, SamplingParams
from rlaudio.utils.processes import Processes

logger = logging.getLogger(__name__)


def open_engine(
    open_worker: Callable[[ModelFamily], RolloutWorker], family: ModelFamily, processes: Processes
) -> RolloutWorker:
    """The worker, reopened where its engine dies, unless several processes must open it together."""
    worker = open_worker(family)
    if processes.size > 1 and isinstance(worker, EngineWorker) and worker.opened_together:
        return worker
    return ReopeningWorker(open_worker, family, worker)


class ReopeningWorker:
    """A worker that `open_worker` opens on the family's model, and reopens where its engine died.

    The new engine gets the weights and the seeds of the old one, or those of the update that failed, so its
    completions are the same. Where it dies of the same call, EngineDied is raised. `worker` is the first
    worker, if it is open already.
    """

    def __init__(
        self,
        open_worker: Callable[[ModelFamily], RolloutWorker],
        family: ModelFamily,
        worker: RolloutWorker | None = None,
    ):
        self.reopened = 0  # times so far
        self._open = open_worker
        self._family = family
        self.worker = worker or open_worker(family)
        self.weights_version = self.worker.weights_version

    def generate(self, prompts: Sequence[Prompt], sampling: SamplingParams, key: SeedKey) -> list[Group]:
        """One group of completions per prompt; tried twice at most."""
        try:
            return self.worker.generate(prompts, sampling, key)
        except EngineDied as death:
            logger.warning("%s; the step is repeated on a new engine", death)
        self._reopen()
        try:
            return self.worker.generate(prompts, sampling, key)
        except EngineDied as death:
            raise EngineDied(
                f"{death}; so did the one before it, of the same {len(prompts)} questions from "
                f"{prompts[0].question.id} on"
            ) from death

    def completion_logprobs(
        self, prompts: Sequence[Prompt], completions: Sequence[Sequence[np.ndarray]]
    ) -> list[np.ndarray]:
        """Log-probs of given completions, see `LogprobWorker`; no engine computes them, so none dies."""
        return as_logprob_worker(self.worker).completion_logprobs(prompts, completions)

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]], version: int) -> None:
        """Load the tensors, on a new engine if this one dies; completions now carry `version`."""
        self._family.load_weights(weights)  # they can be read once; a second engine gets the family's
        self.weights_version = version
        try:
            self.worker.load_weights(self._family.named_weights(), version)
        except EngineDied as death:
            logger.warning("%s; a new engine takes weights version %d over", death, version)
        else:
            return
        self._reopen()

    def sleep(self) -> None:
        """Free memory until the worker is needed again."""
        self.worker.sleep()

    def close(self) -> None:
        """Free memory, end processes, and refuse to generate from now on."""
        self.worker.close()

    def _reopen(self) -> None:
        """Close the dead engine, and open one with the family's weights, which are those of the dead one."""
        self.worker.close()
        try:
            self.worker = self._open(self._family)
            self.reopened += 1
            self.worker.load_weights(self._family.named_weights(), self.weights_version)
        except CanaryError:
            raise
        except ValueError as error:
            raise EngineDied(f"the engine died, and no new one could be opened: {error}") from error
        except EngineDied as death:
            raise EngineDied(
                f"{death}, as it took weights version {self.weights_version} over; the engine before it died "
                "too"
            ) from death
