"""Checks of an algorithm on a made-up step, before a run has computed anything.

A method that is missing, a shape that is wrong or a loss that is not finite would otherwise show after the
warm start, or not at all: advantages [Q] broadcast where there are as many questions as completions.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

import torch

from rlaudio.algorithms.algorithm import Algorithm, Loss, Need, Samples, Tokens, as_critic
from rlaudio.algorithms.checks import advantages_by_token, asked, check_tensor, checked_needs

logger = logging.getLogger(__name__)

LONGEST = 5  # tokens of a completion


def dry_run(algorithm: Algorithm, name: str, *, group_size: int, reward_weights: Mapping[str, float]) -> None:
    """Compute the algorithm's advantages, weights, loss and gradient on groups of the recipe's size.

    It gets only the signals that its `needs` name. Raises ValueError that names the algorithm and what is
    wrong with its results; a ValueError of the algorithm itself is passed on.
    """
    needs = checked_needs(algorithm, name)
    critic = as_critic(algorithm)
    count = 3 if group_size != 3 else 4  # not as many as completions: their axes cannot be mistaken
    samples = _samples(count, group_size, reward_weights, needs)
    advantages = asked(name, "advantages", lambda: algorithm.advantages(samples))
    by_token = advantages_by_token(advantages, samples, name)
    kept = ~by_token[..., 0].isnan()  # [Q, G]
    lengths = samples.lengths[kept]  # [S]
    weights = asked(name, "weights", lambda: algorithm.weights(lengths))
    check_tensor(name, "weights", weights, lengths.shape, "one weight for each of the lengths [S]")
    exists = samples.mask & kept.unsqueeze(-1)  # [Q, G, C]
    returns = torch.zeros(exists.shape)
    if critic:
        asked(name, "value_lr", lambda: critic.value_lr)
        returns = asked(name, "returns", lambda: critic.returns(samples))
        check_tensor(name, "returns", returns, exists.shape, "a return for every token [Q, G, C]", exists)

    def gradient(advantages: torch.Tensor) -> torch.Tensor | None:
        tokens = _tokens(advantages[exists], weights, lengths, returns[exists], needs)
        return _gradient(algorithm, name, tokens)

    size = torch.Size([int(exists.sum())])
    first = gradient(by_token)
    check_tensor(name, "the loss's gradient", first, size, "one for every log-prob")
    of_equal_groups = gradient(torch.zeros_like(by_token))
    learned = of_equal_groups is not None and bool(of_equal_groups.any())
    if learned and Need.EQUAL_GROUPS not in needs:
        logger.warning(
            "algorithm %s learns from groups whose advantages are all 0 too, and they are left out unless "
            "its `needs` have Need.EQUAL_GROUPS",
            name,
        )
    again = gradient(by_token)
    if first is not None and again is not None and not torch.equal(first, again):
        logger.warning(
            "algorithm %s gives another loss when it is asked for the same tokens again; what it keeps, or "
            "draws, is in no checkpoint: a resumed run would give other numbers than one that went on",
            name,
        )


def _gradient(algorithm: Algorithm, name: str, tokens: Tokens) -> torch.Tensor | None:
    """The gradient of the tokens' loss in their log-probs. Raises ValueError for an invalid loss."""
    loss = asked(name, "loss", lambda: algorithm.loss(tokens))
    if not isinstance(loss, Loss):
        raise ValueError(f"algorithm {name}: loss gave {type(loss).__name__}; expected a Loss(total, parts)")
    check_tensor(name, "loss's total", loss.total, torch.Size([]), "a scalar")
    for part, values in loss.parts.items():
        what = f"loss's part {part!r}"
        check_tensor(name, what, values, tokens.logprobs.shape, "a value for every token [N]")
        if not re.fullmatch("loss/[^/]+", part):
            raise ValueError(f"algorithm {name}: {what} needs a name as it is logged: 'loss/...'")
    asked(name, "the loss's gradient", loss.total.backward)
    return tokens.logprobs.grad


# --- a made-up step ------------------------------------------------------------------------------


def _samples(
    count: int, group_size: int, reward_weights: Mapping[str, float], needs: frozenset[Need]
) -> Samples:
    generator = torch.Generator().manual_seed(0)
    shape = (count, group_size)
    parts = {
        name: torch.randint(0, 2, shape, generator=generator, dtype=torch.float64) for name in reward_weights
    }
    lengths = torch.randint(1, LONGEST + 1, shape, generator=generator)
    lengths[0, 0] = LONGEST
    signals = {
        Need.CONTRIBUTION: torch.linspace(-0.5, 1.0, count),
        Need.VALUES: torch.zeros(*shape, LONGEST),
    }
    return Samples(
        rewards=torch.stack([weight * parts[name] for name, weight in reward_weights.items()]).sum(0),
        parts=parts,
        part_weights=dict(reward_weights),
        lengths=lengths,
        truncated=torch.zeros(shape, dtype=torch.bool),
        signals={need: signals[need] for need in signals if need in needs},
    )


def _tokens(
    advantages: torch.Tensor,
    weights: torch.Tensor,
    lengths: torch.Tensor,
    returns: torch.Tensor,
    needs: frozenset[Need],
) -> Tokens:
    """The kept tokens of the step as one micro-batch, under a policy that has moved a little."""
    generator = torch.Generator().manual_seed(1)
    count = int(lengths.sum())

    def near(values: torch.Tensor) -> torch.Tensor:
        return values + 0.1 * torch.randn(count, generator=generator)

    old, old_values = near(torch.full((count,), -1.0)), torch.zeros(count)
    critic = {
        "values": near(old_values).requires_grad_(),
        "old_values": old_values,
        "returns": returns.float(),
    }
    signals = {
        Need.REFERENCE: {"reference": near(old)},
        Need.SILENCE: {"silence": near(old)},
        Need.SILENCE_GRADIENT: {"silence": near(old).requires_grad_()},
        Need.ENTROPY: {"entropy": near(-old)},
        Need.SILENCE_ENTROPY: {"silence_entropy": near(-old)},
        Need.VALUES: critic,
    }
    return Tokens(
        logprobs=near(old).requires_grad_(),
        old_logprobs=old,
        advantages=advantages.float(),
        weights=weights.repeat_interleave(lengths).float(),
        completions=torch.arange(len(lengths)).repeat_interleave(lengths),
        signals={name: value for need in needs for name, value in signals.get(need, {}).items()},
    )
