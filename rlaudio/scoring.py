"""Rewards turn groups into scored groups: for every completion a value, or a failure with its reason.

A reward is a function. Its first parameter decides how it is called: with `question` (and `completion`) once
per completion, returning a number; with `group` once per group, returning a number per completion. It may be
`async`: all such calls of a step are awaited together.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import math
import numbers
import operator
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlaudio.types import Absent, Completion, Group, Prompt, Question, RewardFailure, ScoredGroup
from rlaudio.utils.processes import ALONE, Processes

logger = logging.getLogger(__name__)


class RewardError(ValueError):
    """More samples of a step failed than allowed; names the first one and chains its exception."""


def made_up_group(question: Question, texts: Sequence[str]) -> Group:
    """Made-up completions, one token per word, for trying rewards."""
    nothing = np.zeros(0, dtype=np.int64)
    prompt = Prompt(question, nothing, nothing, features=Absent.MADE_UP)
    return Group(prompt, tuple(_made_up_completion(text) for text in texts))


def _made_up_completion(text: str) -> Completion:
    pieces = (*re.findall(r"\s*\S+", text), "")  # the stop token has no text
    return Completion.single_turn(
        token_ids=np.arange(len(pieces)),
        logprobs=np.full(len(pieces), -1.0, dtype=np.float32),
        text=text,
        token_texts=pieces,
        stop_reason="stop",
        weights_version=0,
    )


class RewardSum:
    """Scores groups by a weighted sum of rewards, named functions with their options bound.

    A sample fails if a reward raises or returns anything but a finite number. Failed samples are dropped
    (total NaN) as long as they are at most `allowed_failure_rate` of the samples scored together, over all
    `processes`, which then must all call.

    Async rewards run on one event loop in a background thread, the same for the life of the process. So a
    client or semaphore that a reward opens serves the whole run, and scoring works inside a notebook's loop.
    """

    def __init__(
        self,
        rewards: Mapping[str, tuple[Callable[..., Any], float]],
        allowed_failure_rate: float = 0.0,
        processes: Processes = ALONE,
    ) -> None:
        if not rewards:
            raise ValueError("no rewards; expected at least one, such as answer_correctness")
        if not 0.0 <= allowed_failure_rate <= 1.0:
            raise ValueError(f"allowed failure rate {allowed_failure_rate}; expected a share from 0 to 1")
        self._rewards = [_reward(name, *spec) for name, spec in rewards.items()]
        self._allowed_failure_rate = allowed_failure_rate
        self._processes = processes

    def score(self, groups: Sequence[Group]) -> list[ScoredGroup]:
        """Every reward's value and the weighted total for each completion of the groups, which are one step.

        Raises RewardError if too many samples failed.
        """
        calls = [call for reward in self._rewards for call in _calls(reward, groups)]
        results = _wait_together([_attempt(call) for call in calls])
        values = [
            {r.name: np.full(len(group.completions), np.nan) for r in self._rewards} for group in groups
        ]
        failed: list[_Failed] = []
        for call, result in zip(calls, results, strict=True):
            for sample, value in zip(call.samples, _read(call, result), strict=True):
                if isinstance(value, _NoValue):
                    failed.append(_Failed(call, sample, value))
                else:
                    values[call.group_index][call.reward.name][sample] = value
        self._refuse_too_many(failed, groups)
        return [self._scored(group, values[i], failed, i) for i, group in enumerate(groups)]

    def _refuse_too_many(self, failed: Sequence[_Failed], groups: Sequence[Group]) -> None:
        lost = len({(f.call.group_index, f.sample) for f in failed})
        local = lost, sum(len(group.completions) for group in groups), [str(f) for f in failed[:1]]
        all_lost, samples, first = (
            functools.reduce(operator.add, column)
            for column in zip(*self._processes.gather(local), strict=True)
        )
        allowed = self._allowed_failure_rate * samples
        if all_lost > allowed:
            raise RewardError(
                f"{first[0]}\n{all_lost} of {samples} samples failed, at most {math.floor(allowed)} may; "
                "fix the reward, or let the recipe's reward_failures drop such samples"
            ) from (failed[0].why.cause if failed else None)
        for failure in failed:
            logger.warning("sample dropped: %s", failure)

    def _scored(
        self, group: Group, values: Mapping[str, np.ndarray], failed: Sequence[_Failed], index: int
    ) -> ScoredGroup:
        total = sum(
            (r.weight * values[r.name] for r in self._rewards), np.zeros(len(group.completions))
        )  # [G]
        failures = tuple(f.record() for f in failed if f.call.group_index == index)
        weights = {r.name: r.weight for r in self._rewards}
        return ScoredGroup(group=group, rewards=values, total=total, weights=weights, failures=failures)


@dataclass(frozen=True)
class _Reward:
    name: str
    function: Callable[..., Any]
    weight: float
    per_group: bool
    file: str


@dataclass(frozen=True)
class _Call:
    """One call of a reward, and the samples of a group that it gives values to."""

    reward: _Reward
    group: Group
    group_index: int
    samples: range


@dataclass(frozen=True)
class _NoValue:
    reason: str
    cause: Exception | None = None


@dataclass(frozen=True)
class _Failed:
    call: _Call
    sample: int
    why: _NoValue

    def record(self) -> RewardFailure:
        question = self.call.group.prompt.question
        return RewardFailure(self.call.reward.name, question.id, self.sample, self.why.reason)

    def __str__(self) -> str:
        reward, group = self.call.reward, self.call.group
        return (
            f"reward {reward.name} ({reward.file}) {self.why.reason}\n"
            f"for question {group.prompt.question.id}, sample {self.sample}, "
            f"completion {group.completions[self.sample].text!r}"
        )


def _reward(name: str, function: Callable[..., Any], weight: float) -> _Reward:
    file = _file(function)
    parameters = list(inspect.signature(function).parameters)
    if parameters[:1] != ["group"] and parameters[:2] != ["question", "completion"]:
        raise TypeError(
            f"reward {name} ({file}) takes ({', '.join(parameters)}); "
            "expected (question, completion, *, ...) or (group, *, ...)"
        )
    return _Reward(name, function, weight, per_group=parameters[0] == "group", file=file)


def _file(function: Callable[..., Any]) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(inspect.unwrap(function), "__code__", None)
    return code.co_filename if code else repr(function)


def _calls(reward: _Reward, groups: Sequence[Group]) -> Iterator[_Call]:
    for index, group in enumerate(groups):
        samples = range(len(group.completions))
        if reward.per_group:
            yield _Call(reward, group, index, samples)
        else:
            yield from (_Call(reward, group, index, samples[i : i + 1]) for i in samples)


def _attempt(call: _Call) -> Any:
    """What the reward returned, perhaps an awaitable, or the exception that it raised."""
    group = call.group
    completions = [group.completions[i] for i in call.samples]
    arguments = (group,) if call.reward.per_group else (group.prompt.question, *completions)
    try:
        return call.reward.function(*arguments)
    except Exception as error:  # noqa: BLE001  user code may raise anything; the sample is named and counted
        return error


def _wait_together(results: Sequence[Any]) -> list[Any]:
    """`results` with every awaitable replaced by its result or its exception."""
    waiting = [result for result in results if inspect.isawaitable(result)]
    if not waiting:
        return list(results)

    async def gather() -> list[Any]:
        return await asyncio.gather(*waiting, return_exceptions=True)

    future = asyncio.run_coroutine_threadsafe(gather(), _event_loop())
    try:
        settled = iter(future.result())
    finally:
        future.cancel()  # when interrupted: the results are no longer needed
    return [next(settled) if inspect.isawaitable(result) else result for result in results]


@functools.cache
def _event_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="rlaudio-rewards", daemon=True).start()
    return loop


def _read(call: _Call, result: Any) -> list[float | _NoValue]:
    """The value of each sample of the call, or the reason why it has none."""
    if isinstance(result, BaseException):
        cause = result if isinstance(result, Exception) else None
        return [_NoValue(f"raised {type(result).__name__}: {result}", cause)] * len(call.samples)
    if not call.reward.per_group:
        return [_number(result)]
    values = result.tolist() if isinstance(result, np.ndarray) else result
    if not isinstance(values, Sequence) or len(values) != len(call.samples):
        expected = f"expected {len(call.samples)} numbers, one per completion of the group"
        return [_NoValue(f"returned {result!r}; {expected}")] * len(call.samples)
    return [_number(value) for value in values]


def _number(value: Any) -> float | _NoValue:
    if isinstance(value, numbers.Real | np.bool_) and math.isfinite(value):
        return float(value)
    return _NoValue(f"returned {value!r}; expected a finite number")
