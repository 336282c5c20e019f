"""The completions of one step: draw questions, generate, score; draw more where groups have no spread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np

from rlaudio.curricula.stage import Stage
from rlaudio.prompts.builder import PromptBuilder
from rlaudio.rollout.worker import RolloutWorker, SeedKey
from rlaudio.training.packing import PackedRow
from rlaudio.types import Absent, Group, Prompt, Question, SamplingParams, ScoredGroup
from rlaudio.utils.ahead import Ahead
from rlaudio.utils.clock import Clock
from rlaudio.utils.processes import Processes


class Scores(Protocol):
    """Scores groups of completions; in RL this is rlaudio.scoring.RewardSum."""

    @property
    def hears_silence(self) -> bool:
        """Whether scores depend on answers to the same questions in silence."""

    def score(self, groups: Sequence[Group], silent: Sequence[Group] | None = None) -> list[ScoredGroup]:
        """The groups with their rewards; `silent` are the answers to the same questions in silence."""


class PromptRequest(NamedTuple):
    """Prompts of one request to the worker, and their places among those of the process."""

    prompts: list[Prompt]
    places: list[int]
    key: SeedKey


@dataclass(frozen=True, kw_only=True, eq=False)
class Sampler:
    """Where the completions of a stage's steps come from."""

    stage: Stage
    prompts: PromptBuilder
    worker: RolloutWorker
    rewards: Scores
    params: SamplingParams
    questions_per_step: int  # over all processes
    rounds: int  # of drawing until groups with spread fill the step
    max_lag: int  # steps by which the weights that sample may be older than the current ones
    processes: Processes
    silent_samples: int = 0  # completions in silence of each question, where the rewards hear them
    clock: Clock = field(default_factory=Clock)  # of the step
    next_requests: Ahead[list[PromptRequest]] = field(default_factory=Ahead)  # made while a step trains


@dataclass(frozen=True, eq=False)
class Sampled:
    """What one step sampled, over all processes; only the process's own prompts have features."""

    groups: list[ScoredGroup]  # all that were sampled, in the order in which their questions were drawn
    chosen: list[int]  # the groups that the step learns from
    local: Mapping[int, ScoredGroup]  # this process's groups with their features, by place in `groups`
    drawn: int  # questions
    silent_completions: int = 0  # sampled for the rewards, over all processes

    @property
    def learned(self) -> list[ScoredGroup]:
        """The groups that the step learns from."""
        return [self.groups[i] for i in self.chosen]

    @property
    def local_learned(self) -> dict[int, ScoredGroup]:
        """This process's groups among those, by place in `learned`."""
        return {place: self.local[i] for place, i in enumerate(self.chosen) if i in self.local}

    def local_rows(self, rows: Sequence[PackedRow]) -> list[PackedRow]:
        """Of the rows of all learned groups those of this process, with their features; none empty."""
        local = self.local_learned.items()
        return [
            replace(rows[place], prompt=scored.group.prompt)
            for place, scored in local
            if rows[place].branches
        ]


def sample_step(sampler: Sampler, key: SeedKey, *, first: int, weights_version: int) -> Sampled:
    """A step's completions, for the stage's questions from number `first` on; `key` is (seed, stage, step).

    With more than one round further questions are drawn until as many groups have spread in their rewards
    (DAPO's dynamic sampling, eq. 11 of arXiv:2503.14476); after the last round groups without spread are used
    too.
    Completions may be sampled by weights that are up to `max_lag` steps older than `weights_version`.
    Raises ValueError for others.
    """
    wanted, processes = sampler.questions_per_step, sampler.processes
    groups: list[ScoredGroup] = []
    local: dict[int, ScoredGroup] = {}
    for number in range(sampler.rounds):
        # one key per round: a question drawn again in a later round gets other completions
        round_key = (*key, "round", number) if number else key
        with sampler.clock.part("data_wait"):
            asked = requests_of_round(sampler, round_key, first + len(groups))
        with sampler.clock.part("rollout"):
            answered = _ask(sampler, asked)
            silent = _ask_in_silence(sampler, asked) if sampler.rewards.hears_silence else None
        check_versions(answered, weights_version, sampler.max_lag)
        with sampler.clock.part("reward"):
            scored = sampler.rewards.score(answered, silent)
        local |= {len(groups) + processes.rank + i * processes.size: group for i, group in enumerate(scored)}
        groups += processes.unshare([_without_features(group) for group in scored])
        if sum(has_spread(group.total) for group in groups) >= wanted:
            break
    chosen = list(range(wanted)) if sampler.rounds == 1 else _first_with_spread(groups, wanted)
    in_silence = len(groups) * sampler.silent_samples if sampler.rewards.hears_silence else 0
    return Sampled(groups, chosen, local, drawn=len(groups), silent_completions=in_silence)


def begin_requests(sampler: Sampler, key: SeedKey, first: int) -> None:
    """Have a thread make the prompts of a step to come, whose audio then is read when the step begins."""
    sampler.next_requests.begin((key, first), partial(_make_requests, sampler, key, first))


def requests_of_round(sampler: Sampler, key: SeedKey, first: int) -> list[PromptRequest]:
    """This process's requests when a step's questions are drawn from number `first` on.

    Their order follows from seed and stage alone, the first two of `key`. A question that is drawn again
    in the round goes into a separate request, with its own random numbers. Raises what
    `PromptBuilder.prompt` raises, also for those that were begun ahead.
    """
    return sampler.next_requests.take((key, first), partial(_make_requests, sampler, key, first))


def _make_requests(sampler: Sampler, key: SeedKey, first: int) -> list[PromptRequest]:
    drawn = sampler.stage.draw(first, sampler.questions_per_step, *key[:2])
    asked_before = list(zip(drawn, _times_before(drawn), strict=True))  # questions, how often before
    local = sampler.processes.share(asked_before)
    requests = []
    for repeat in sorted({0, *(before for _, before in local)}):
        places = [place for place, (_, before) in enumerate(local) if before == repeat]
        asked = [sampler.prompts.prompt(local[place][0]) for place in places]
        requests.append(PromptRequest(asked, places, (*key, "again", repeat) if repeat else key))
    return requests


def has_spread(rewards: np.ndarray) -> bool:
    """Whether two of a group's rewards [G] differ; dropped ones, NaN, do not count."""
    present = rewards[~np.isnan(rewards)]
    return bool(len(present)) and bool(present.min() < present.max())


def check_versions(groups: Sequence[Group], current: int, max_lag: int = 0) -> None:
    """Refuse completions of weights more than `max_lag` steps older than the current. Raises ValueError."""
    versions = {c.weights_version for group in groups for c in group.completions}
    wrong = sorted(version for version in versions if not current - max_lag <= version <= current)
    if wrong:
        allowed = f"{max_lag} older at most (sampling.max_lag)" if max_lag else "the current weights"
        raise ValueError(
            f"completions of weights version {wrong} in a step of version {current}; expected {allowed}; "
            "the rollout worker did not take over the last update"
        )


def mean_lag(groups: Sequence[ScoredGroup], current: int) -> float:
    """By how many steps the weights that sampled are older than the current ones, on average."""
    return float(np.mean([current - c.weights_version for group in groups for c in group.group.completions]))


def _first_with_spread(groups: Sequence[ScoredGroup], wanted: int) -> list[int]:
    """Places of so many groups in their order: the first with spread, then others where these are fewer."""
    without_spread = [not has_spread(group.total) for group in groups]
    return sorted(sorted(range(len(groups)), key=without_spread.__getitem__)[:wanted])


def _times_before(drawn: Sequence[Question]) -> list[int]:
    """How often each question was drawn earlier in the step: a stage may be smaller than a step."""
    seen: Counter[str] = Counter()
    times = []
    for question in drawn:
        times.append(seen[question.id])
        seen[question.id] += 1
    return times


def _ask_in_silence(sampler: Sampler, requests: Sequence[PromptRequest]) -> list[Group]:
    """Groups of the same questions in silence, with random numbers of their own, in the same order."""
    silent = [
        PromptRequest(
            [sampler.prompts.silent(p) for p in asked.prompts], asked.places, (*asked.key, "silent")
        )
        for asked in requests
    ]
    params = replace(sampler.params, group_size=sampler.silent_samples)
    return _ask(replace(sampler, params=params), silent)


def _ask(sampler: Sampler, requests: Sequence[PromptRequest]) -> list[Group]:
    """One group per prompt, in the order of their places."""
    groups: dict[int, Group] = {}
    for asked in requests:
        answered = sampler.worker.generate(asked.prompts, sampler.params, asked.key)
        groups |= dict(zip(asked.places, answered, strict=True))
    return [groups[place] for place in sorted(groups)]


def _without_features(scored: ScoredGroup) -> ScoredGroup:
    """The group as the other processes need it: they never compute with its features, which are large."""
    prompt: Prompt = scored.group.prompt
    light = replace(prompt, features=Absent.ELSEWHERE)
    return replace(scored, group=replace(scored.group, prompt=light))
