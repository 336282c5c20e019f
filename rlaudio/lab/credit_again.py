"""Advantages that other totals would have had, under the algorithm of the run.

As in `rlaudio.training.credit`, over all groups of a step; tokens of a completion count as their mean.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from rlaudio.algorithms.algorithm import Algorithm, Samples, as_critic
from rlaudio.lab.stored import Rollouts, StoredStep
from rlaudio.training.providers import asks_for_contribution


def advantages(
    rollouts: Rollouts,
    algorithm: Algorithm,
    rewards: Mapping[str, np.ndarray],
    weights: Mapping[str, float],
) -> np.ndarray:
    """The advantage of every completion [N]; NaN where it has no reward, or its step did not learn from it.

    Raises ValueError where the algorithm needs what a run folder does not hold.
    """
    if as_critic(algorithm):
        raise ValueError("needs the values of a critic, which a run folder does not hold")
    unmeasured = any(group.contribution is None for group in rollouts.learned if group.advantages)
    if unmeasured and asks_for_contribution(algorithm):
        raise ValueError("needs the audio's contribution to each question, which this run did not measure")
    parts = {name: rollouts.by_group(values) for name, values in rewards.items()}
    result: list[np.ndarray] = []
    begin = 0
    for step in rollouts.steps:
        end = begin + len(step.learned)
        here = {name: values[begin:end] for name, values in parts.items()}
        result.extend(_of_step(step, algorithm, here, weights))
        begin = end
    return np.concatenate(result)


def _of_step(
    step: StoredStep,
    algorithm: Algorithm,
    parts: Mapping[str, list[np.ndarray]],
    weights: Mapping[str, float],
) -> list[np.ndarray]:
    """Of each group; those of one size that the step learned from are computed together, as in training."""
    sizes = [len(group.completions) for group in step.groups]
    result = [np.full(size, np.nan) for size in sizes]
    learned = [number for number, group in enumerate(step.learned) if group.advantages]
    for size in {sizes[number] for number in learned}:
        chosen = [number for number in learned if sizes[number] == size]
        stacked = {name: np.stack([values[i] for i in chosen]) for name, values in parts.items()}
        samples = _samples(step, chosen, stacked, weights)
        given = algorithm.advantages(samples)
        if given.dim() == 3:  # [Q, G, C]
            mask = samples.mask
            given = given.masked_fill(~mask, 0.0).sum(-1) / mask.sum(-1).clamp(min=1)
        for number, row in zip(chosen, given.double().numpy(), strict=True):
            result[number] = row
    return result


def _samples(
    step: StoredStep, chosen: list[int], parts: Mapping[str, np.ndarray], weights: Mapping[str, float]
) -> Samples:
    completions = [step.groups[number].completions for number in chosen]
    total = sum((weights[name] * values for name, values in parts.items()), np.zeros(1))
    contributions = [step.learned[number].contribution for number in chosen]
    signals = {} if None in contributions else {"contribution": torch.tensor(contributions)}
    return Samples(
        rewards=torch.from_numpy(np.broadcast_to(total, (len(chosen), len(completions[0]))).copy()),
        parts={name: torch.from_numpy(values) for name, values in parts.items()},
        part_weights=weights,
        lengths=torch.from_numpy(np.stack([step.lengths[number] for number in chosen])),
        truncated=torch.tensor([[c.stop_reason == "length" for c in group] for group in completions]),
        signals=signals,
    )
