"""What some algorithms' advantages need beyond rewards: a critic's values, the audio's contribution."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np
import torch

from rlaudio.algorithms.algorithm import as_critic
from rlaudio.rollout.worker import RolloutWorker, SeedKey
from rlaudio.training.learner import Learner
from rlaudio.training.packing import Branch, PackedRow, unlearned_branch
from rlaudio.training.sampling import Sampled, Scores
from rlaudio.types import Prompt, Question, SamplingParams, ScoredGroup
from rlaudio.utils.processes import Processes


class ContributionEstimator(Protocol):
    """Measures how much the audio contributes on questions, with the current policy."""

    @property
    def completions(self) -> int:
        """Completions sampled with silence for each question."""

    def __call__(self, scored: Sequence[ScoredGroup], key: SeedKey) -> list[float]:
        """One number for each group, from -1 to 1; NaN (unknown) counts as the mean of the others."""


def observe(
    sampled: Sampled, learner: Learner, contribution: ContributionEstimator | None, key: SeedKey
) -> dict[str, torch.Tensor]:
    """The signals that the learner's algorithm needs: `values` [Q, G, C], `contribution` [Q] if measured."""
    processes = learner.strategy.processes
    signals = {}
    if as_critic(learner.algorithm):
        signals["values"] = _by_place(_values(sampled.local_learned, learner), processes)
    if contribution is not None:
        local = sampled.local_learned
        measured = dict(zip(local, contribution(list(local.values()), key), strict=True))
        everywhere = _merged(processes.gather(measured))
        contributions = torch.tensor([everywhere[place] for place in range(len(everywhere))])
        signals["contribution"] = contributions.where(
            ~contributions.isnan(), contributions.nanmean().nan_to_num(0.0)
        )
    return signals


def describe_signals(
    signals: Mapping[str, torch.Tensor], contribution: ContributionEstimator | None
) -> dict[str, float]:
    """Metrics of a step's signals."""
    if contribution is None:
        return {}
    measured = signals["contribution"]
    return {
        "data/contribution": float(measured.mean()),
        "rollout/silent_completions": float(contribution.completions * len(measured)),
    }


@dataclass(frozen=True, eq=False)
class SilentRollouts:
    """Success rate with audio minus that of a few completions with silence.

    A completion succeeds where the reward named `success` is positive.
    """

    worker: RolloutWorker
    rewards: Scores
    silent_prompt: Callable[[Prompt], Prompt]
    sampling: SamplingParams
    completions: int
    success: str

    def __call__(self, scored: Sequence[ScoredGroup], key: SeedKey) -> list[float]:
        """One difference for each group."""
        silent = [self.silent_prompt(group.group.prompt) for group in scored]
        sampling = replace(self.sampling, group_size=self.completions)
        answered = self.worker.generate(silent, sampling, (*key, "silence"))
        in_silence = self.rewards.score(answered, answered)  # of which the reward `success` is read
        return [
            success_rate(heard, self.success) - success_rate(unheard, self.success)
            for heard, unheard in zip(scored, in_silence, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class ChoiceProbabilities:
    """The gold option's share of the options' probability, with audio minus with silence.

    Every option is spelled out by `spell(question, option)`; its probability is that of its tokens.
    """

    learner: Learner
    silent_prompt: Callable[[Prompt], Prompt]
    spell: Callable[[Question, str], str]
    completions: ClassVar[int] = 0

    def __call__(self, scored: Sequence[ScoredGroup], key: SeedKey) -> list[float]:
        """One difference for each group."""
        heard = [self._choices(group.group.prompt) for group in scored]
        unheard = [replace(row, prompt=self.silent_prompt(row.prompt)) for row in heard]
        shares = [_gold_share(row) for row in self.learner.measure([*heard, *unheard], ["old"])]
        return [a - b for a, b in zip(shares[: len(heard)], shares[len(heard) :], strict=True)]

    def _choices(self, prompt: Prompt) -> PackedRow:
        encode = self.learner.family.encode_completion
        texts = [self.spell(prompt.question, choice) for choice in prompt.question.choices]
        return PackedRow(prompt, tuple(_unlearned(encode(text)) for text in texts))


def success_rate(scored: ScoredGroup, reward: str) -> float:
    """Share of the completions whose reward of that name is positive; NaN where none has a value."""
    values = scored.rewards[reward]
    present = values[~np.isnan(values)]
    return float((present > 0).mean()) if len(present) else math.nan


# --- helpers -------------------------------------------------------------------------------------


def _gold_share(row: PackedRow) -> float:
    """Probability of the gold option among the options, by the log-probs of their tokens."""
    logprobs = np.array([branch.signals["old"].astype(np.float64).sum() for branch in row.branches])
    shares = np.exp(logprobs - logprobs.max())
    return float(shares[row.prompt.question.answer_index] / shares.sum())


def _values(local: Mapping[int, ScoredGroup], learner: Learner) -> dict[int, list[np.ndarray]]:
    """The critic's values of every completion, [C] each, by the group's place."""
    rows = [
        PackedRow(scored.group.prompt, tuple(unlearned_branch(c) for c in scored.group.completions))
        for scored in local.values()
    ]
    measured = learner.measure(rows, ["values"])
    return {
        place: [branch.signals["values"] for branch in row.branches]
        for place, row in zip(local, measured, strict=True)
    }


def _unlearned(token_ids: np.ndarray) -> Branch:
    """A made-up completion that is only measured."""
    nothing = np.zeros(len(token_ids), dtype=np.float32)
    return Branch(token_ids, nothing, nothing, weight=0.0)


def _by_place(local: dict[int, list[np.ndarray]], processes: Processes) -> torch.Tensor:
    """The values of all processes in the order of the groups, padded with 0: [Q, G, C]."""
    everywhere = _merged(processes.gather(local))
    groups = [everywhere[place] for place in range(len(everywhere))]
    longest = max(len(values) for group in groups for values in group)
    padded = [[np.pad(values, (0, longest - len(values))) for values in group] for group in groups]
    return torch.from_numpy(np.array(padded, dtype=np.float64))


def _merged(shares: Sequence[dict[int, Any]]) -> dict[int, Any]:
    return {place: value for share in shares for place, value in share.items()}
