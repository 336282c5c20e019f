"""A rollout worker whose engine is opened anew when it dies, and asked or given weights once more."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

import torch

from rlaudio.models.family import ModelFamily
from rlaudio.rollout.canary import CanaryError
from rlaudio.rollout.engine_worker import EngineWorker
from rlaudio.rollout.worker import EngineDied, RolloutWorker, SeedKey
from rlaudio.types import Group, Prompt, SamplingParams
from rlaudio.utils.processes import Processes

logger = logging.getLogger(__name__)


def open_engine(
    open_worker: Callable[[ModelFamily], RolloutWorker], family: ModelFamily, processes: Processes
) -> RolloutWorker:
    """The worker, opened anew where its engine dies; not where several processes must open it together."""
    worker = open_worker(family)
    if processes.size > 1 and isinstance(worker, EngineWorker) and worker.opened_together:
        return worker
    return Reopened(open_worker, family, worker)


class Reopened:
    """Around a worker that `open_worker` opens on the family's model, and opens again where its engine died.

    The new engine gets the weights that the old one had, or was to take over, and the same seeds, so it
    answers what the old one would have answered. Where it dies of the same, EngineDied is raised.
    `worker` is given where the first one is open already.
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
        """One group of completions per prompt; asked twice at most."""
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

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]], version: int) -> None:
        """Take the tensors over, on a new engine if this one has died; completions now carry `version`."""
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
        """Give memory back until the worker is needed again."""
        self.worker.sleep()

    def close(self) -> None:
        """Give memory and processes back, and refuse to generate from now on."""
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
            raise EngineDied(f"the engine died, and no other one takes its place: {error}") from error
        except EngineDied as death:
            raise EngineDied(
                f"{death}, as it took weights version {self.weights_version} over; the engine before it died "
                "too"
            ) from death
