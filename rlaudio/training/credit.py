"""From scored groups to rows: each completion's advantages, and the weight of each of its tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import torch

from rlaudio.algorithms.algorithm import Algorithm, Samples, as_critic
from rlaudio.algorithms.checks import advantages_by_token
from rlaudio.runs.rollouts import LearnedGroup
from rlaudio.training.packing import Branch, PackedRow, branch_of
from rlaudio.training.sampling import Sampled, has_spread
from rlaudio.types import Contributions, ScoredGroup
from rlaudio.utils.processes import Processes


def samples_of(scored: Sequence[ScoredGroup], signals: Mapping[str, torch.Tensor] | None = None) -> Samples:
    """The groups of a step as an algorithm's advantages read them."""
    completions = [group.group.completions for group in scored]
    return Samples(
        rewards=torch.from_numpy(np.stack([group.total for group in scored])),  # [Q, G]
        parts={
            name: torch.from_numpy(np.stack([group.rewards[name] for group in scored]))
            for name in scored[0].rewards
        },
        part_weights=scored[0].weights,
        lengths=torch.tensor([[c.length for c in group] for group in completions]),
        truncated=torch.tensor([[c.stop_reason == "length" for c in group] for group in completions]),
        signals=signals or {},
    )


def assign_credit(
    scored: Sequence[ScoredGroup],
    algorithm: Algorithm,
    *,
    signals: Mapping[str, torch.Tensor] | None = None,
    mini_batches: int = 1,
) -> list[PackedRow]:
    """One row per group with the algorithm's advantages and token weights.

    Dropped samples stay out, and those in which nothing was sampled: they have no log-prob to learn from.
    `scored` are all groups of the step, whichever process holds them, because means, weights and
    normalisations go over all of them. They are split over `mini_batches` updates in their order.
    """
    samples = samples_of(scored, signals)
    by_token = advantages_by_token(algorithm.advantages(samples), samples, type(algorithm).__name__)
    kept = ~by_token[..., 0].isnan() & ~samples.rewards.isnan() & (samples.lengths > 0)  # [Q, G]
    sizes = [len(part) for part in np.array_split(np.arange(len(scored)), mini_batches)]
    update_of = np.repeat(np.arange(mini_batches), sizes)  # [Q]
    weights = _weights(algorithm, samples.lengths, kept, torch.from_numpy(update_of))  # [Q, G]
    critic = as_critic(algorithm)
    returns = critic.returns(samples) if critic else None  # [Q, G, C]

    def branch(q: int, g: int) -> Branch:
        completion = scored[q].group.completions[g]
        tokens = slice(completion.length)
        return branch_of(
            completion,
            by_token[q, g, tokens].numpy(),
            float(weights[q, g]),
            sample=g,
            signals={}
            if returns is None
            else {
                "old_values": samples.signals["values"][q, g, tokens].numpy(),
                "returns": returns[q, g, tokens].numpy(),
            },
        )

    return [
        PackedRow(
            prompt=group.group.prompt,
            branches=tuple(branch(q, int(g)) for g in np.flatnonzero(kept[q])),
            mini_batch=int(update_of[q]),
            group=q,
        )
        for q, group in enumerate(scored)
    ]


def learned_groups(
    sampled: Sampled,
    rows: Sequence[PackedRow],
    prepared: Sequence[PackedRow],
    signals: Mapping[str, torch.Tensor],
    processes: Processes,
) -> list[LearnedGroup]:
    """Every sampled group of all processes with its advantages and signals, as a run folder stores it.

    `signals` are as `measure_signals` gives them: a contribution that is unknown is stored as None. `rows`
    are those of all learned groups, `prepared` this process's rows with the signals of their tokens.
    """
    local = {(row.group, b.sample): b.signals for row in prepared for b in row.branches if b.signals}
    of_tokens = {place: of_branch for share in processes.gather(local) for place, of_branch in share.items()}
    contribution = signals.get("contribution")  # [Q]
    number_of = {place: number for number, place in enumerate(sampled.chosen)}
    groups = []
    for place, scored in enumerate(sampled.groups):
        if place not in number_of:
            groups.append(LearnedGroup(scored))
            continue
        number, samples = number_of[place], range(len(scored.group.completions))
        advantages = {branch.sample: branch.advantages for branch in rows[number].branches}
        groups.append(
            LearnedGroup(
                scored,
                advantages=tuple(advantages.get(sample) for sample in samples),
                signals=tuple(of_tokens.get((number, sample), {}) for sample in samples),
                contribution=None if contribution is None else _present(contribution[number]),
            )
        )
    return groups


def describe_groups(
    scored: Sequence[ScoredGroup], contributions: Contributions = MappingProxyType({})
) -> dict[str, float]:
    """Metrics of a step's groups: rewards, spread, lengths, how completions ended.

    SFT targets carry no rewards and were not sampled: only the questions are described.
    """
    questions = [group.group.prompt.question for group in scored]
    metrics = {
        "data/questions": float(len(scored)),
        "data/truncated_clips": float(sum(group.group.prompt.truncated for group in scored)),
    }
    labels = [contributions[q.id].label for q in questions if q.id in contributions]
    if labels:
        metrics["data/weak_share"] = float(np.mean([label == "weak" for label in labels]))
    names = scored[0].rewards
    if not names:
        return metrics
    totals = np.stack([group.total for group in scored])  # [Q, G]
    spreads = np.array([_spread(row) for row in totals])
    completions = [c for group in scored for c in group.group.completions]
    lengths = np.array([c.length for c in completions])
    metrics |= {
        "rollout/completions": float(len(completions)),
        "rollout/tokens": float(lengths.sum()),
        "rollout/length": float(lengths.mean()),
        "rollout/stop_rate": float(np.mean([c.stop_reason == "stop" for c in completions])),
        "group/no_spread": float(np.mean(spreads == 0.0)),
        "group/spread": float(spreads.mean()),
        "reward/failures": float(sum(len(group.failures) for group in scored)),
        "reward/total": _mean(totals),
    }
    for name in names:
        metrics[f"reward/{name}"] = _mean(np.stack([group.rewards[name] for group in scored]))
    return metrics


def _weights(
    algorithm: Algorithm, lengths: torch.Tensor, kept: torch.Tensor, update_of: torch.Tensor
) -> torch.Tensor:
    """Weights [Q, G] of a completion's tokens in the update of its group; 0 where it is dropped."""
    weights = torch.zeros(lengths.shape, dtype=torch.float64)
    for update in update_of.unique():
        chosen = kept & (update_of == update).unsqueeze(-1)
        if chosen.any():
            weights[chosen] = algorithm.weights(lengths[chosen])
    return weights


def _present(value: torch.Tensor) -> float | None:
    return None if value.isnan() else float(value)


def _spread(totals: np.ndarray) -> float:
    """Standard deviation of the samples that have a value; exactly 0 where these are equal."""
    return float(totals[~np.isnan(totals)].std()) if has_spread(totals) else 0.0


def _mean(values: np.ndarray) -> float:
    """Mean of the samples that have a value; NaN where none has."""
    present = values[~np.isnan(values)]
    return float(present.mean()) if len(present) else float("nan")
