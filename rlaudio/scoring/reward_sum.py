"""The weighted sum of a recipe's rewards, and which failures of them stop a step.

A reward is a function. Its first parameter decides how it is called: with `question` (and `completion`) once
per completion, returning a number; with `group` once per group, returning a number per completion. It may be
`async`: all such calls of a step are awaited together.
"""

from __future__ import annotations

import functools
import inspect
import logging
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from rlaudio.scoring.arguments import read_only
from rlaudio.scoring.calls import (
    Reward,
    RewardCall,
    awaited,
    call_reward,
    calls_of,
    no_value_in_time,
    values_of_call,
)
from rlaudio.scoring.values import NoValue, within_reach
from rlaudio.types import Group, RewardFailure, ScoredGroup
from rlaudio.utils.interrupts import end_now, heard_interrupts, refused_ends
from rlaudio.utils.process_state import ProcessState, kept_process_state
from rlaudio.utils.processes import ALONE, Processes, outlast_first
from rlaudio.utils.time_limit import TimeLimit, print_error

logger = logging.getLogger(__name__)


class RewardError(ValueError):
    """More samples of a step failed than allowed; names the first one and chains its exception."""


class RewardStop(RewardError):
    """A reward asked to end the run, or did not return in time: no number of allowed failures covers that."""


_save: ContextVar[Callable[[], object] | None] = ContextVar("save", default=None)
_warned: set[tuple[str, str]] = set()  # who changed what, since `warn_anew`


@contextmanager
def saving_when_stopped(save: Callable[[], object]) -> Iterator[None]:
    """Call `save` where rewards stop the run within the block: in every process, in one of its threads."""
    token = _save.set(save)
    try:
        yield
    except RewardError:
        save()
        raise
    finally:
        _save.reset(token)


def warn_anew() -> None:
    """Warn again of what rewards change of the process: another stage's, or another run's, user reads it."""
    _warned.clear()


class RewardSum:
    """Scores groups by a weighted sum of rewards, named functions with their options bound.

    A sample fails if a reward raises or returns anything but a finite number. Failed samples are dropped
    (total NaN) as long as they are at most `allowed_failure_rate` of the samples scored together, over all
    `processes`, which then must all call. The next value must come within `seconds`; None: no limit.

    Every dropped sample is warned of, unless the caller tells of the failures itself (`tell_dropped`).
    Rewards are handed records that they cannot write into, and what they change of the process is put back.
    """

    def __init__(
        self,
        rewards: Mapping[str, tuple[Callable[..., Any], float]],
        allowed_failure_rate: float = 0.0,
        processes: Processes = ALONE,
        seconds: float | None = None,
        tell_dropped: bool = True,
    ) -> None:
        if not rewards:
            raise ValueError("no rewards; expected at least one, such as answer_correctness")
        if not 0.0 <= allowed_failure_rate <= 1.0:
            raise ValueError(f"allowed failure rate {allowed_failure_rate}; expected a share from 0 to 1")
        self._rewards = [Reward.of(name, *spec) for name, spec in rewards.items()]
        self._allowed_failure_rate = allowed_failure_rate
        self._processes = processes
        self._seconds = seconds
        self._tell_dropped = tell_dropped

    @property
    def hears_silence(self) -> bool:
        """Whether a reward compares with answers to the same questions in silence."""
        return any(reward.hears_silence for reward in self._rewards)

    def score(self, groups: Sequence[Group], silent: Sequence[Group] | None = None) -> list[ScoredGroup]:
        """Every reward's value and the weighted total for each completion of the groups, which are one step.

        `silent` are groups of the same questions in silence, for the rewards that hear it.
        Raises RewardError if too many samples failed, RewardStop if a reward ends the run or hangs.
        """
        calls = [call for reward in self._rewards for call in _calls(reward, groups, silent)]
        values = [
            {r.name: np.full(len(group.completions), np.nan) for r in self._rewards} for group in groups
        ]
        failed: list[_Failed] = []
        for call, result in zip(calls, self._results(calls), strict=False):  # fewer where one stops the run
            for sample, value in zip(call.samples, values_of_call(call, result), strict=True):
                usable = value if isinstance(value, NoValue) else within_reach(value, call.reward.weight)
                if isinstance(usable, NoValue):
                    failed.append(_Failed(call, sample, usable))
                else:
                    values[call.group_index][call.reward.name][sample] = usable
        self._refuse(failed, groups)
        return [self._scored(group, values[i], failed, i) for i, group in enumerate(groups)]

    def _results(self, calls: Sequence[RewardCall]) -> list[Any]:
        """What the calls returned, or NoValue; the last is the first one that stops the run."""
        results: list[Any] = []
        limit = TimeLimit(self._seconds, functools.partial(self._take_over, _save.get()))
        with (
            heard_interrupts(limit.answer_signal) as interrupts,
            refused_ends(),
            kept_process_state() as state,
        ):
            with limit.watching():
                for number, call in enumerate(calls, start=1):
                    results.append(call_reward(call, limit, interrupts, state))
                    stops = _stops(results[-1])
                    is_last = number == len(calls) or calls[number].reward is not call.reward
                    self._restore(state, [call.reward], functions=stops or is_last)
                    if stops:
                        return [_closed(result) for result in results]
            results = awaited(calls, results, self._seconds, state)
            self._restore(state, [r for r in self._rewards if inspect.iscoroutinefunction(r.function)])
        return results

    def _restore(self, state: ProcessState, rewards: Sequence[Reward], *, functions: bool = True) -> None:
        """Undo what rewards changed of the process, with one warning about each change in a run.

        Functions of modules are many: they are looked at after the last call of a reward.
        """
        if not (changed := state.restore(functions=functions)):
            return
        who = ", ".join(map(str, rewards)) or "a reward"
        for setting in changed:
            if (who, setting) not in _warned:
                logger.warning("%s changed %s, which the run depends on; it is put back", who, setting)
        _warned.update((who, setting) for setting in changed)

    def _refuse(self, failed: Sequence[_Failed], groups: Sequence[Group]) -> None:
        """Raise the same in all processes, if too many samples failed or something stops the run."""
        first = next((f for f in failed if f.why.stops), failed[0] if failed else None)
        messages = [str(first)] if first else []
        lost, samples, messages, stops = self._gathered(
            len({(f.call.group_index, f.sample) for f in failed}),
            sum(len(group.completions) for group in groups),
            messages,
            messages if first and first.why.stops else [],
        )
        cause = first.why.cause if first else None
        if stops:
            raise RewardStop(_stop_message(stops[0])) from cause
        allowed = self._allowed_failure_rate * samples
        if lost > allowed:
            raise RewardError(
                f"{messages[0]}\n{lost} of {samples} samples failed, at most {math.floor(allowed)} may; "
                "fix the reward, or let the recipe's reward_failures drop such samples"
            ) from cause
        for failure in failed if self._tell_dropped else ():
            logger.warning("sample dropped: %s", failure)

    def _gathered(self, *local: Any) -> list[Any]:
        """The sum over all processes of each thing that this one counts or lists."""
        columns = zip(*self._processes.gather(local), strict=True)
        return [functools.reduce(operator.add, column) for column in columns]

    def _take_over(self, save: Callable[[], object] | None, call: RewardCall, place: str) -> NoReturn:
        """End the process as RewardStop would, in place of the main thread, which hangs in the call."""
        message = str(_Failed(call, call.samples[0], no_value_in_time(self._seconds, place)))
        again = ""
        try:
            self._gathered(0, 0, [message], [message])
            if save:
                save()
                again = "; continue with --resume"
        finally:
            print_error(f"{_stop_message(message)}{again}")
            outlast_first()
            end_now(1)

    def _scored(
        self, group: Group, values: Mapping[str, np.ndarray], failed: Sequence[_Failed], index: int
    ) -> ScoredGroup:
        total = sum(
            (r.weight * values[r.name] for r in self._rewards), np.zeros(len(group.completions))
        )  # [G]
        failures = tuple(f.record() for f in failed if f.call.group_index == index)
        weights = {r.name: r.weight for r in self._rewards}
        return ScoredGroup(group=group, rewards=values, total=total, weights=weights, failures=failures)


def _calls(reward: Reward, groups: Sequence[Group], silent: Sequence[Group] | None) -> Iterator[RewardCall]:
    """The reward's calls, with records of its own: what it did to them no other one sees."""
    unheard = None if silent is None else [read_only(group) for group in silent]
    yield from calls_of(reward, [read_only(group) for group in groups], unheard)


@dataclass(frozen=True)
class _Failed:
    call: RewardCall
    sample: int
    why: NoValue

    def record(self) -> RewardFailure:
        question = self.call.group.prompt.question
        return RewardFailure(self.call.reward.name, question.id, self.sample, self.why.reason)

    def __str__(self) -> str:
        return f"{self.call.reward} {self.why.reason}\n{self.call.sample(self.sample)}"


def _stop_message(failure: str) -> str:
    return (
        f"{failure}\nthis stops a run, whatever reward_failures allows; fix the reward: it must return, or "
        "raise an Exception where it has no value; reward_timeout sets how long it may take"
    )


def _stops(result: Any) -> bool:
    return isinstance(result, NoValue) and result.stops


def _closed(result: Any) -> Any:
    """The result of a call that is no longer awaited."""
    if inspect.iscoroutine(result):
        result.close()
        return NoValue("was not awaited")
    return result
