"""Every algorithm a second time: float64 NumPy and loops, written from the papers' equations.

Nothing here is shared with rlaudio. Losses are functions of the completions and of a second copy of them,
`held`, from which everything is read that stands under a stop-gradient; so a central difference in the
first copy is the gradient that the paper means.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

FLOOR = 1e-4  # what rlaudio and TRL add to a standard deviation


@dataclass(frozen=True, eq=False)
class Completion:
    """One completion's tokens, each field [C]."""

    logprobs: np.ndarray
    old: np.ndarray
    reference: np.ndarray
    silence: np.ndarray
    entropy: np.ndarray
    silence_entropy: np.ndarray
    advantages: np.ndarray
    values: np.ndarray
    old_values: np.ndarray
    returns: np.ndarray


Batch = Sequence[Completion]
LossOf = Callable[[Batch, Batch], float]  # completions, and where stop-gradients read

# --- advantages ----------------------------------------------------------------------------------


def known(values: Sequence[float]) -> list[float]:
    return [v for v in values if not math.isnan(v)]


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def deviation(values: Sequence[float]) -> float:
    if len(values) < 2:
        return 0.0
    return math.sqrt(sum((v - mean(values)) ** 2 for v in values) / (len(values) - 1))


def grpo(rewards: np.ndarray, scale: bool = True) -> np.ndarray:
    """arXiv:2402.03300, section 4.1.2; arXiv:2503.20783 without the deviation."""
    advantages = np.full(rewards.shape, math.nan)
    for q, group in enumerate(rewards):
        for g, reward in enumerate(group):
            if not math.isnan(reward):
                gap = reward - mean(known(group))
                advantages[q, g] = gap / (deviation(known(group)) + FLOOR) if scale else gap
    return advantages


def dapo(rewards: np.ndarray, truncated: np.ndarray) -> np.ndarray:
    """arXiv:2503.14476, eq. 9 and section 3.4."""
    advantages = grpo(rewards)
    for q, g in zip(*np.nonzero(truncated), strict=True):
        advantages[q, g] = math.nan
    return advantages


def rloo(rewards: np.ndarray) -> np.ndarray:
    """arXiv:2402.14740, eq. 8."""
    advantages = np.full(rewards.shape, math.nan)
    for q, group in enumerate(rewards):
        for g, reward in enumerate(group):
            others = known([r for other, r in enumerate(group) if other != g])
            if not math.isnan(reward):
                advantages[q, g] = reward - mean(others) if others else 0.0
    return advantages


def over_the_step(values: np.ndarray) -> np.ndarray:
    """Minus the mean of all, over the deviation of all."""
    everything = known(values.flatten().tolist())
    return (values - mean(everything)) / (deviation(everything) + FLOOR)


def reinforce_pp(rewards: np.ndarray, baseline: str) -> np.ndarray:
    """arXiv:2501.03262, sections 3.1 and 3.2."""
    return over_the_step(rewards if baseline == "batch" else grpo(rewards, scale=False))


def gdpo(parts: dict[str, np.ndarray], weights: dict[str, float]) -> np.ndarray:
    """arXiv:2601.05242, eq. 4, 7 and 6. A sample without one of the rewards has none."""
    whole = sum(parts.values())
    total = np.zeros(whole.shape)
    for name, part in parts.items():
        total += weights[name] * grpo(np.where(np.isnan(whole), math.nan, part))
    return over_the_step(total)


def maxrl(rewards: np.ndarray) -> np.ndarray:
    """arXiv:2602.02710, as in the authors' code: minus the success rate of the group, over it."""
    advantages = np.full(rewards.shape, math.nan)
    for q, group in enumerate(rewards):
        rate = mean(known(group))
        for g, reward in enumerate(group):
            if not math.isnan(reward):
                advantages[q, g] = (reward - rate) / rate if rate > 0 else 0.0
    return advantages


def contribution_weighted(rewards: np.ndarray, contribution: np.ndarray, floor: float) -> np.ndarray:
    advantages = grpo(rewards)
    for q, measured in enumerate(contribution):
        advantages[q] *= max(floor, measured)
    return advantages


def gae(rewards: np.ndarray, lengths: np.ndarray, values: np.ndarray, gamma: float, lam: float) -> np.ndarray:
    """arXiv:1506.02438, eq. 16: the discounted sum of temporal differences, written out."""
    advantages = np.full(values.shape, math.nan)
    for q, g in np.ndindex(rewards.shape):
        if math.isnan(rewards[q, g]):
            continue
        length = lengths[q, g]
        value = [*values[q, g, :length], 0.0]
        reward = [0.0] * (length - 1) + [rewards[q, g]]
        delta = [reward[t] + gamma * value[t + 1] - value[t] for t in range(length)]
        for t in range(length):
            advantages[q, g, t] = sum((gamma * lam) ** i * delta[t + i] for i in range(length - t))
    return advantages


# --- means over an update ------------------------------------------------------------------------


def per_completion(terms: Sequence[Sequence[float]]) -> float:
    """1/S sum_i 1/|o_i| sum_t."""
    return sum(sum(of_completion) / len(of_completion) for of_completion in terms) / len(terms)


def per_token(terms: Sequence[Sequence[float]]) -> float:
    """1/sum_i |o_i| sum_i sum_t."""
    return sum(sum(of_completion) for of_completion in terms) / sum(
        len(of_completion) for of_completion in terms
    )


def per_constant(length: int) -> Callable[[Sequence[Sequence[float]]], float]:
    """1/S sum_i 1/length sum_t, Dr. GRPO."""
    return lambda terms: sum(sum(of_completion) / length for of_completion in terms) / len(terms)


# --- terms ---------------------------------------------------------------------------------------


def kl(policy: float, reference: float, kind: str) -> float:
    """Schulman's estimates for a token that the policy sampled."""
    quotient = math.exp(reference - policy)
    if kind == "k1":
        return -math.log(quotient)
    if kind == "k2":
        return math.log(quotient) ** 2 / 2
    return min(quotient - math.log(quotient) - 1.0, 10.0)


def bounded(value: float, low: float, high: float) -> float:
    return low if value < low else high if value > high else value


def objective(ratio: float, advantage: float, low: float, high: float) -> float:
    """arXiv:1707.06347, eq. 7."""
    return min(ratio * advantage, bounded(ratio, 1.0 - low, 1.0 + high) * advantage)


def clipped_loss(
    average: Callable[[Sequence[Sequence[float]]], float],
    low: float,
    high: float,
    beta: float,
    kind: str = "k3",
) -> LossOf:
    """GRPO, DAPO, GDPO, REINFORCE++: eq. 3 of arXiv:2402.03300 under some mean."""

    def loss(batch: Batch, held: Batch) -> float:
        terms = []
        for c in batch:
            of_completion = []
            for lp, old, ref, advantage in zip(c.logprobs, c.old, c.reference, c.advantages, strict=True):
                gain = objective(math.exp(lp - old), advantage, low, high)
                of_completion.append(-(gain - beta * kl(lp, ref, kind)))
            terms.append(of_completion)
        return average(terms)

    return loss


def gspo_loss(low: float, high: float) -> LossOf:
    """arXiv:2507.18071, eq. 5 and 7: no tokens, completions."""

    def loss(batch: Batch, held: Batch) -> float:
        gains = []
        for c in batch:
            likelihood, old = math.exp(sum(c.logprobs)), math.exp(sum(c.old))
            ratio = (likelihood / old) ** (1 / len(c.logprobs))
            gains.append(objective(ratio, c.advantages[0], low, high))
        return -mean(gains)

    return loss


def cispo_loss(low: float, high: float) -> LossOf:
    """arXiv:2506.13585, eq. 4 and 5."""

    def loss(batch: Batch, held: Batch) -> float:
        terms = []
        for c, h in zip(batch, held, strict=True):
            stopped = [bounded(math.exp(lp - old), 1 - low, 1 + high)
                       for lp, old in zip(h.logprobs, h.old, strict=True)]  # fmt: skip
            terms.append([-w * a * lp for w, a, lp in zip(stopped, c.advantages, c.logprobs, strict=True)])
        return per_token(terms)

    return loss


def rloo_loss(clip: float | None) -> LossOf:
    """arXiv:2402.14740: the completion is the action; its probability is the product over its tokens."""

    def loss(batch: Batch, held: Batch) -> float:
        gains = []
        for c in batch:
            ratio = math.exp(sum(c.logprobs)) / math.exp(sum(c.old))
            advantage = c.advantages[0]
            gains.append(ratio * advantage if clip is None else objective(ratio, advantage, clip, clip))
        return -mean(gains)

    return loss


def papo_loss(low: float, high: float, gamma: float, entropy: float, through_silence: bool) -> LossOf:
    """arXiv:2507.06448, the objective of PAPO_G, entropies by minus the log-probs as in the authors' code."""

    def loss(batch: Batch, held: Batch) -> float:
        terms = []
        for c, h in zip(batch, held, strict=True):
            of_completion = []
            for t, (lp, old, advantage) in enumerate(zip(c.logprobs, c.old, c.advantages, strict=True)):
                masked = (c if through_silence else h).silence[t]
                gain = objective(math.exp(lp - old), advantage, low, high)
                perception = kl(lp, masked, "k3")
                of_completion.append(-(gain + gamma * perception - entropy * (-lp) - entropy * (-masked)))
            terms.append(of_completion)
        return per_completion(terms)

    return loss


def contribution_weighted_loss(low: float, high: float, floor: float) -> LossOf:
    """GRPO's loss with every advantage times the token's share of the gap to silence."""

    def loss(batch: Batch, held: Batch) -> float:
        terms = []
        for c, h in zip(batch, held, strict=True):
            gaps = [abs(old - quiet) for old, quiet in zip(h.old, h.silence, strict=True)]
            of_completion = []
            for t, (lp, old, advantage) in enumerate(zip(c.logprobs, c.old, c.advantages, strict=True)):
                share = floor + (1 - floor) * gaps[t] / mean(gaps)
                of_completion.append(-objective(math.exp(lp - old), share * advantage, low, high))
            terms.append(of_completion)
        return per_completion(terms)

    return loss


def dppo_loss(delta: float, cap: float) -> LossOf:
    """arXiv:2602.04879, Binary-TV: `compute_policy_loss_with_mask` of the authors, in words."""

    def loss(batch: Batch, held: Batch) -> float:
        terms = []
        for c, h in zip(batch, held, strict=True):
            of_completion = []
            for lp, still, old, advantage in zip(c.logprobs, h.logprobs, h.old, c.advantages, strict=True):
                moved = math.exp(still) - math.exp(old)
                valid = moved <= delta if advantage > 0 else moved >= -delta
                ratio = min(math.exp(still - old), cap)
                of_completion.append(-advantage * ratio * lp if valid else 0.0)
            terms.append(of_completion)
        return per_completion(terms)

    return loss


def sapo_loss(positive: float, negative: float) -> LossOf:
    """arXiv:2511.20347: the mean of sigmoid(tau (r - 1)) * 4 / tau * A."""

    def loss(batch: Batch, held: Batch) -> float:
        terms = []
        for c in batch:
            of_completion = []
            for lp, old, advantage in zip(c.logprobs, c.old, c.advantages, strict=True):
                tau = positive if advantage > 0 else negative
                gate = 4 / tau / (1 + math.exp(-tau * (math.exp(lp - old) - 1)))
                of_completion.append(-gate * advantage)
            terms.append(of_completion)
        return per_completion(terms)

    return loss


def vespo_loss(positive: tuple[float, float], negative: tuple[float, float]) -> LossOf:
    """arXiv:2602.10693: phi(W) of whole completions, (k, lambda) by the sign of the advantage."""

    def loss(batch: Batch, held: Batch) -> float:
        terms = []
        for c, h in zip(batch, held, strict=True):
            whole = math.exp(sum(h.logprobs)) / math.exp(sum(h.old))
            k, rate = positive if c.advantages[0] >= 0 else negative
            phi = whole**k * math.exp(rate * (1 - whole))
            terms.append([-phi * a * lp for a, lp in zip(c.advantages, c.logprobs, strict=True)])
        return per_token(terms)

    return loss


def mapo_loss(low: float, high: float, temperature: float, limit: float) -> LossOf:
    """arXiv:2605.27741: GRPO's terms, in every completion a mean weighted by clipped relevance."""

    def loss(batch: Batch, held: Batch) -> float:
        completions = []
        for c, h in zip(batch, held, strict=True):
            length = len(c.logprobs)
            tau = temperature * math.log(max(length, 2))
            likelihood = [math.exp(abs(s - e) / tau)
                          for s, e in zip(h.silence_entropy, h.entropy, strict=True)]  # fmt: skip
            omega = [min(length * each / sum(likelihood), limit) for each in likelihood]
            gains = [objective(math.exp(lp - old), a, low, high)
                     for lp, old, a in zip(c.logprobs, c.old, c.advantages, strict=True)]  # fmt: skip
            completions.append(-sum(w * g for w, g in zip(omega, gains, strict=True)) / sum(omega))
        return mean(completions)

    return loss


def ppo_loss(clip: float, value_clip: float | None, value_weight: float) -> LossOf:
    """arXiv:1707.06347, eq. 9 with c2 = 0; the critic's error is the larger of plain and clipped, halved."""

    def loss(batch: Batch, held: Batch) -> float:
        terms = []
        for c in batch:
            of_completion = []
            for t, (lp, old, advantage) in enumerate(zip(c.logprobs, c.old, c.advantages, strict=True)):
                value, before, wanted = c.values[t], c.old_values[t], c.returns[t]
                error = (value - wanted) ** 2
                if value_clip is not None:
                    near = before + bounded(value - before, -value_clip, value_clip)
                    error = max(error, (near - wanted) ** 2)
                gain = objective(math.exp(lp - old), advantage, clip, clip)
                of_completion.append(-gain + value_weight * error / 2)
            terms.append(of_completion)
        return per_token(terms)

    return loss


# --- gradients -----------------------------------------------------------------------------------


def gradient(loss: LossOf, batch: Batch, name: str, step: float = 1e-6) -> np.ndarray:
    """Central differences of the loss in every token's `name`, [N] over all completions."""
    slopes = []
    for i, c in enumerate(batch):
        for t in range(len(c.logprobs)):
            either = []
            for sign in (1, -1):
                moved = getattr(c, name).copy()
                moved[t] += sign * step
                changed = [*batch[:i], replace(c, **{name: moved}), *batch[i + 1 :]]
                either.append(loss(changed, batch))
            slopes.append((either[0] - either[1]) / (2 * step))
    return np.array(slopes)
