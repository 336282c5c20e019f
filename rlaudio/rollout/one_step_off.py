"""Rollouts one step ahead: while a step trains, the next one's completions are sampled with its old weights.

The time of a step is then that of the slower of the two instead of their sum. What is sampled ahead is one
update older than the weights it trains, which the recipe allows by `sampling.max_lag` and the loss corrects
(`mismatch.correct`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch

from rlaudio.rollout.worker import RolloutWorker, SeedKey
from rlaudio.types import Completion, Group, Prompt, SamplingParams, Segment

Completions = list[tuple[Completion, ...]]  # of every prompt


@dataclass(frozen=True)
class _Request:
    """A request's key: equal requests to equal weights have equal completions."""

    key: SeedKey
    sampling: SamplingParams
    question_ids: tuple[str, ...]


class OneStepOff:
    """A rollout worker around one with its own copy of the weights: training changes the family's.

    `begin` samples in a thread; `generate` with the same request returns its result. Everything else
    waits for the thread, so that completions carry the version of the weights that sampled them.
    """

    def __init__(self, worker: RolloutWorker):
        self.weights_version = worker.weights_version
        self._worker = worker
        self._thread = ThreadPoolExecutor(1, "rollouts", *_on_own_gpu())
        self._ahead: dict[_Request, Future[Completions]] = {}
        self._handed_out: dict[_Request, Future[Completions]] = {}  # to a step that may yet be broken off

    def begin(self, asked: Sequence[tuple[Sequence[Prompt], SeedKey]], sampling: SamplingParams) -> None:
        """Sample the next step's requests in the background: prompts and key of each."""
        self._wait()
        self._ahead = {
            _request(prompts, sampling, key): self._thread.submit(self._sample, list(prompts), sampling, key)
            for prompts, key in asked
        }

    def generate(self, prompts: Sequence[Prompt], sampling: SamplingParams, key: SeedKey) -> list[Group]:
        """One group per prompt, from the background if this request was begun, else sampled now."""
        request = _request(prompts, sampling, key)
        begun = self._ahead.pop(request, None)
        if begun is not None:
            self._handed_out[request] = begun
            return [Group(prompt, some) for prompt, some in zip(prompts, begun.result(), strict=True)]
        self._wait()
        return self._worker.generate(prompts, sampling, key)

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]], version: int) -> None:
        """Load the tensors once the thread is done; completions from then on carry `version`."""
        self._wait()
        self._handed_out = {}
        self._worker.load_weights(weights, version)
        self.weights_version = version

    def sleep(self) -> None:
        """Free memory, unless the thread is sampling."""
        if all(future.done() for future in self._ahead.values()):
            self._worker.sleep()

    def close(self) -> None:
        """Wait for the thread and close the worker."""
        self._thread.shutdown()
        self._worker.close()

    def state_dict(self) -> dict[str, Any] | None:
        """What was sampled ahead for steps that are not done, as a checkpoint holds it; None for nothing."""
        requests = [
            {
                "key": list(request.key),
                "sampling": asdict(request.sampling),
                "questions": list(request.question_ids),
                "completions": [[_to_state(completion) for completion in some] for some in future.result()],
            }
            for request, future in (self._handed_out | self._ahead).items()
        ]
        return {"requests": requests} if requests else None

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what was sampled ahead: the weights that sampled it are gone on resuming."""
        for asked in state["requests"]:
            request = _Request(
                tuple(asked["key"]), SamplingParams(**asked["sampling"]), tuple(asked["questions"])
            )
            self._ahead[request] = Future()
            self._ahead[request].set_result(
                [tuple(_from_state(completion) for completion in some) for some in asked["completions"]]
            )

    def _sample(self, prompts: Sequence[Prompt], sampling: SamplingParams, key: SeedKey) -> Completions:
        return [group.completions for group in self._worker.generate(prompts, sampling, key)]

    def _wait(self) -> None:
        for future in self._ahead.values():
            future.result()


def _on_own_gpu() -> tuple[Any, ...]:
    """Initialiser of a new thread and its arguments: the current GPU is a setting of each thread."""
    return (torch.cuda.set_device, (torch.cuda.current_device(),)) if torch.cuda.is_available() else ()


def _request(prompts: Sequence[Prompt], sampling: SamplingParams, key: SeedKey) -> _Request:
    return _Request(key, sampling, tuple(prompt.question.id for prompt in prompts))


def _to_state(completion: Completion) -> dict[str, Any]:
    """The completion in types that `torch.load(weights_only=True)` reads."""
    segments = [
        {
            field.name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
            for field in fields(Segment)
            for value in (getattr(segment, field.name),)
        }
        for segment in completion.segments
    ]
    return {
        "segments": segments,
        "stop_reason": completion.stop_reason,
        "weights_version": completion.weights_version,
    }


def _from_state(state: Mapping[str, Any]) -> Completion:
    segments = []
    for segment in state["segments"]:
        values: dict[str, Any] = {
            name: value.numpy() if isinstance(value, torch.Tensor) else value
            for name, value in segment.items()
        }
        segments.append(Segment(**values))
    return Completion(tuple(segments), state["stop_reason"], state["weights_version"])
