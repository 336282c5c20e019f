"""How a reward is called: once per completion or per group in the main thread, async ones all together.

Async rewards run on one event loop in a background thread, the same for the life of the process. So a client
or semaphore that a reward opens serves the whole run, and scoring works inside a notebook's loop.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from concurrent.futures import wait
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from rlaudio.scoring.values import NoValue, value_of, values_of_group
from rlaudio.types import Group
from rlaudio.utils.forks import one_process
from rlaudio.utils.interrupts import Interrupts
from rlaudio.utils.messages import described, line_in, printable, shown
from rlaudio.utils.process_state import ProcessState
from rlaudio.utils.time_limit import TimeLimit, TimeUp, place_of


@dataclass(frozen=True)
class Reward:
    """A reward of the sum, and how it is called."""

    name: str
    function: Callable[..., Any]
    weight: float
    per_group: bool
    file: str
    hears_silence: bool = False  # it is given the answers to the same question in silence, too

    def __str__(self) -> str:
        return f"reward {self.name} ({self.file})"

    @classmethod
    def of(cls, name: str, function: Callable[..., Any], weight: float) -> Reward:
        """The reward that a function is by its first parameters. Raises TypeError for other ones."""
        file = _file(function)
        parameters = list(inspect.signature(function).parameters)
        if parameters[:1] != ["group"] and parameters[:2] != ["question", "completion"]:
            raise TypeError(
                f"reward {name} ({file}) takes ({', '.join(parameters)}); "
                "expected (question, completion, *, ...), (group, *, ...) or (group, silent, *, ...)"
            )
        per_group, silent = parameters[0] == "group", parameters[:2] == ["group", "silent"]
        return cls(name, function, weight, per_group=per_group, file=file, hears_silence=silent)


@dataclass(frozen=True)
class RewardCall:
    """One call of a reward, and the samples of a group that it gives values to."""

    reward: Reward
    group: Group  # as rewards may see it: read-only
    group_index: int
    samples: range
    silent: Group | None = None  # of the same question, for a reward that hears silence

    @property
    def file(self) -> str:
        """The file of the reward."""
        return self.reward.file

    @property
    def arguments(self) -> tuple[Any, ...]:
        """What the reward is called with."""
        if self.reward.hears_silence:
            return self.group, self.silent
        if self.reward.per_group:
            return (self.group,)
        return self.group.prompt.question, *(self.group.completions[i] for i in self.samples)

    def sample(self, number: int) -> str:
        """A sample as messages name it."""
        text = shown(self.group.completions[number].text)
        question = printable(self.group.prompt.question.id)
        return f"for question {question}, sample {number}, completion {text}"

    def __str__(self) -> str:
        return f"{self.reward}, {self.sample(self.samples[0])}"


def calls_of(
    reward: Reward, groups: Sequence[Group], silent: Sequence[Group] | None = None
) -> Iterator[RewardCall]:
    """All calls of a reward for the groups of a step; `silent` are those of the same questions in silence.

    Raises ValueError for a reward that is given these where there are none.
    """
    if reward.hears_silence and silent is None:
        raise ValueError(
            f"{reward} compares with answers in silence; expected them, as training samples them"
        )
    for index, group in enumerate(groups):
        samples = range(len(group.completions))
        if reward.per_group:
            yield RewardCall(reward, group, index, samples, silent[index] if silent else None)
        else:
            yield from (RewardCall(reward, group, index, samples[i : i + 1]) for i in samples)


def call_reward(call: RewardCall, limit: TimeLimit, interrupts: Interrupts, state: ProcessState) -> Any:
    """What the reward returned, perhaps an awaitable, or NoValue for what it raised; builtins are as before.

    Raises KeyboardInterrupt where the user pressed Ctrl-C, not where the reward raises it.
    """
    try:
        result = limit.run(call, state.call, call.reward.function, *call.arguments)
    except BaseException as error:  # noqa: BLE001  user code may raise anything; the sample is named and counted
        late, file = isinstance(error, TimeUp), call.reward.file
        result = no_value_in_time(limit.seconds, limit.place) if late else no_value_of(error, file)
    if interrupts.received:
        raise KeyboardInterrupt
    return result


def no_value_of(error: BaseException, file: str) -> NoValue:
    """No value, for an exception in a file. What is no Exception, such as SystemExit, stops the run."""
    counted = isinstance(error, Exception | asyncio.CancelledError)
    line = line_in(error, file)
    return NoValue(f"raised {described(error)}{f', in line {line}' * bool(line)}", error, stops=not counted)


def no_value_in_time(seconds: float | None, place: str) -> NoValue:
    """No value within the time limit."""
    return NoValue(f"gave no value within {seconds:g} s (reward_timeout); it was at {place}", stops=True)


def awaited(
    calls: Sequence[RewardCall], results: Sequence[Any], seconds: float | None, state: ProcessState
) -> list[Any]:
    """`results` with every awaitable replaced by its result, or by NoValue.

    The limit is the time since the latest of them came: a server may answer one after the other.
    """
    waiting = {i: result for i, result in enumerate(results) if inspect.isawaitable(result)}
    if not waiting:
        return list(results)
    outcomes: dict[int, Any] = {}
    latest = time.monotonic()

    async def settle_one(number: int, awaitable: Awaitable[Any]) -> None:
        nonlocal latest
        try:
            with one_process(calls[number]):
                outcomes[number] = await _Steps(awaitable, state)
        except BaseException as error:  # noqa: BLE001  as in `call_reward`
            outcomes[number] = no_value_of(error, calls[number].reward.file)
        latest = time.monotonic()

    async def settle_all() -> None:
        await asyncio.gather(*(settle_one(*item) for item in waiting.items()))

    future = asyncio.run_coroutine_threadsafe(settle_all(), _event_loop())
    try:
        while not wait([future], seconds and max(0.0, latest + seconds - time.monotonic())).done:
            if seconds and time.monotonic() >= latest + seconds:
                _event_loop.cache_clear()  # a call may block this one
                break
        settled = dict(outcomes)
        for number in waiting.keys() - settled.keys():
            settled[number] = no_value_in_time(seconds, _place(waiting[number], calls[number].file))
        return [settled.get(number, result) for number, result in enumerate(results)]
    finally:
        future.cancel()  # when interrupted or late: the results are no longer needed


def values_of_call(call: RewardCall, result: Any) -> list[float | NoValue]:
    """The value of each sample of the call, or why it has none."""
    if isinstance(result, NoValue):
        return [result] * len(call.samples)
    return values_of_group(result, len(call.samples)) if call.reward.per_group else [value_of(result)]


class _Steps(Generator[Any, Any, Any]):
    """The steps of an awaitable, each a call of `state`; the event loop runs between them."""

    def __init__(self, awaitable: Awaitable[Any], state: ProcessState) -> None:
        self._steps = _result(awaitable).__await__()
        self._state = state

    def __await__(self) -> _Steps:
        return self

    def send(self, value: Any) -> Any:
        return self._state.call(self._steps.send, value)

    def throw(self, *error: Any) -> Any:
        return self._state.call(self._steps.throw, *error)


async def _result(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _file(function: Callable[..., Any]) -> str:
    """The file of a plug-in, or of a function that is none."""
    if path := getattr(function, "path", None):
        return str(path)
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(inspect.unwrap(function), "__code__", None)
    return code.co_filename if code else repr(function)


def _place(awaitable: Any, file: str) -> str:
    """Where a coroutine waits."""
    return place_of(getattr(awaitable, "cr_frame", None), file)


@functools.cache
def _event_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()

    def run() -> None:
        while True:  # a task that a reward started may raise SystemExit, which ends run_forever
            with suppress(SystemExit, KeyboardInterrupt):
                loop.run_forever()

    threading.Thread(target=run, name="rlaudio-rewards", daemon=True).start()
    return loop
