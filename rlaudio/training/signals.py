"""What some algorithms' advantages need beyond rewards: a critic's values, the audio's contribution."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch

from rlaudio.algorithms.algorithm import as_critic
from rlaudio.contribution.asking_options import OfOptions, option_tokens
from rlaudio.rollout.worker import RolloutWorker, SeedKey
from rlaudio.training.learner import Learner
from rlaudio.training.packing import Branch, PackedRow, unlearned_branch
from rlaudio.training.sampling import Sampled, Scores
from rlaudio.types import Prompt, SamplingParams, ScoredGroup
from rlaudio.utils.processes import Processes


class ContributionEstimator(Protocol):
    """Measures how much the audio contributes on questions, with the current policy."""

    @property
    def completions(self) -> int:
        """Completions sampled with silence for each question."""

    def __call__(self, scored: Sequence[ScoredGroup], key: SeedKey) -> list[float]:
        """One number for each group, from -1 to 1; NaN (unknown) counts as the mean of the others."""


def measure_signals(
    sampled: Sampled, learner: Learner, contribution: ContributionEstimator | None, key: SeedKey
) -> dict[str, torch.Tensor]:
    """The signals that the learner's algorithm needs: `values` [Q, G, C], `contribution` [Q] if measured.

    A contribution that is unknown is NaN; `with_unknown_filled` replaces it.
    """
    processes = learner.strategy.processes
    signals = {}
    if as_critic(learner.algorithm):
        signals["values"] = _by_place(_values(sampled.local_learned, learner), processes)
    if contribution is not None:
        local = sampled.local_learned
        measured = dict(zip(local, contribution(list(local.values()), key), strict=True))
        everywhere = _merged(processes.gather(measured))
        signals["contribution"] = torch.tensor([everywhere[place] for place in range(len(everywhere))])
    return signals


def with_unknown_filled(signals: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The signals, the mean of the others where a contribution is unknown; 0 where none is known."""
    if "contribution" not in signals:
        return dict(signals)
    measured = signals["contribution"]  # [Q]
    filled = measured.where(~measured.isnan(), measured.nanmean().nan_to_num(0.0))
    return {**signals, "contribution": filled}


def describe_signals(
    signals: Mapping[str, torch.Tensor], contribution: ContributionEstimator | None
) -> dict[str, float]:
    """Metrics of a step's signals."""
    if contribution is None:
        return {}
    measured = signals["contribution"]
    return {
        "data/contribution": float(measured.nanmean().nan_to_num(0.0)),
        "rollout/silent_completions": float(contribution.completions * len(measured)),
    }


@dataclass(frozen=True, eq=False)
class SilentRollouts:
    """Success rate with audio minus that of a few completions with silence; 0 for a question without a clip.

    A completion succeeds where the reward named `success` is positive.
    """

    worker: RolloutWorker
    rewards: Scores  # holds that reward; others would be computed for nothing
    silent_prompt: Callable[[Prompt], Prompt]
    sampling: SamplingParams
    completions: int
    success: str

    def __call__(self, scored: Sequence[ScoredGroup], key: SeedKey) -> list[float]:
        """One difference for each group."""
        silent = [self.silent_prompt(group.group.prompt) for group in scored]
        sampling = replace(self.sampling, group_size=self.completions)
        answered = self.worker.generate(silent, sampling, (*key, "silence"))
        in_silence = self.rewards.score(answered, answered)
        return [
            success_rate(heard, self.success) - success_rate(unheard, self.success)
            if heard.group.prompt.clips
            else 0.0  # both are asked the same: what differs is chance
            for heard, unheard in zip(scored, in_silence, strict=True)
        ]


def options_of(learner: Learner) -> OfOptions:
    """Log-probs of the options of prompts under the policy as it is trained, sharded or not.

    At temperature 1, as labels and evaluations are measured, whatever completions are sampled at. All
    processes must call it, also those without prompts.
    """

    def of_options(prompts: Sequence[Prompt]) -> list[np.ndarray]:
        rows = [
            PackedRow(prompt, tuple(map(_unlearned, option_tokens(learner.family, prompt))))
            for prompt in prompts
        ]
        return [
            np.array([branch.signals["old"].astype(np.float64).sum() for branch in row.branches])
            for row in learner.measure(rows, ["old"], temperature=1.0)
        ]

    return of_options


def success_rate(scored: ScoredGroup, reward: str) -> float:
    """Share of the completions whose reward of that name is positive; NaN where none has a value."""
    values = scored.rewards[reward]
    present = values[~np.isnan(values)]
    return float((present > 0).mean()) if len(present) else math.nan


# --- helpers -------------------------------------------------------------------------------------


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
    """The values of all processes in the order of the groups, padded with 0: [Q, G, C], C at least 1."""
    everywhere = _merged(processes.gather(local))
    groups = [everywhere[place] for place in range(len(everywhere))]
    longest = max([1, *(len(values) for group in groups for values in group)])
    padded = [[np.pad(values, (0, longest - len(values))) for values in group] for group in groups]
    return torch.from_numpy(np.array(padded, dtype=np.float64))


def _merged(shares: Sequence[dict[int, Any]]) -> dict[int, Any]:
    return {place: value for share in shares for place, value in share.items()}
