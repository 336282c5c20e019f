"""A rollout worker whose engine is opened anew when it dies, and asked once more."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

import torch

from rlaudio.models.family import ModelFamily
from rlaudio.processes import Processes
from rlaudio.rollout.vllm_server import VllmServer
from rlaudio.rollout.worker import EngineDied, RolloutWorker, SeedKey
from rlaudio.types import Group, Prompt, Sampling

logger = logging.getLogger(__name__)


def open_engine(
    open_worker: Callable[[ModelFamily], RolloutWorker], family: ModelFamily, processes: Processes
) -> RolloutWorker:
    """The worker, opened anew where its engine dies; not where all processes of a run ask one engine."""
    reopened = Reopened(open_worker, family)
    shared = processes.size > 1 and isinstance(reopened.worker, VllmServer)
    return reopened.worker if shared else reopened


class Reopened:
    """Around a worker that `open_worker` opens on the family's model, and opens again where its engine died.

    The new engine gets the weights of the old one and the same seeds, so it answers what the old one would
    have answered. Where it dies of the same request, EngineDied is raised.
    """

    def __init__(self, open_worker: Callable[[ModelFamily], RolloutWorker], family: ModelFamily):
        self.reopened = 0  # times so far
        self._open = open_worker
        self._family = family
        self.worker = open_worker(family)
        self.weights_version = self.worker.weights_version

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling, key: SeedKey) -> list[Group]:
        """One group of completions per prompt; asked twice at most."""
        try:
            return self.worker.generate(prompts, sampling, key)
        except EngineDied as death:
            logger.warning("%s; the step is repeated on a new engine", death)
        self.worker.close()
        self.worker = self._open(self._family)
        self.reopened += 1
        self.worker.load_weights(self._family.named_weights(), self.weights_version)
        try:
            return self.worker.generate(prompts, sampling, key)
        except EngineDied as death:
            raise EngineDied(
                f"{death}; so did the one before it, of the same {len(prompts)} questions from "
                f"{prompts[0].question.id} on; mend the cause and continue with --resume"
            ) from death

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]], version: int) -> None:
        """Take the tensors over; completions from now on carry `version`."""
        self.worker.load_weights(weights, version)
        self.weights_version = version

    def sleep(self) -> None:
        """Give memory back until the worker is needed again."""
        self.worker.sleep()

    def close(self) -> None:
        """Give memory and processes back, and refuse to generate from now on."""
        self.worker.close()
