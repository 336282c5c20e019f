"""Checks of an algorithm on a made-up step, before a run has computed anything.

A method that is missing, a shape that is wrong or a loss that is not finite would otherwise show after the
warm start, or not at all: advantages [Q] broadcast where there are as many questions as completions.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch

from rlaudio.algorithms.algorithm import Algorithm, Loss, Need, Samples, Tokens, as_critic

logger = logging.getLogger(__name__)

T = TypeVar("T")
LONGEST = 5  # tokens of a completion


def dry_run(algorithm: Algorithm, name: str, *, group_size: int, reward_weights: Mapping[str, float]) -> None:
    """Compute the algorithm's advantages, weights, loss and gradient on groups of the recipe's size.

    It gets only the signals that its `needs` name. Raises ValueError that names the algorithm and what is
    wrong with its results; a ValueError of the algorithm itself is passed on.
    """
    needs = known_needs(algorithm, name)
    critic = as_critic(algorithm)
    count = 3 if group_size != 3 else 4  # not as many as completions: their axes cannot be mistaken
    samples = _samples(count, group_size, reward_weights, needs)
    advantages = _call(name, "advantages", lambda: algorithm.advantages(samples))
    advantages = check_advantages(advantages, samples, name)
    by_token = advantages if advantages.dim() == 3 else advantages.unsqueeze(-1).expand(samples.mask.shape)
    kept = ~by_token[..., 0].isnan()  # [Q, G]
    lengths = samples.lengths[kept]  # [S]
    weights = _call(name, "weights", lambda: algorithm.weights(lengths))
    _check(name, "weights", weights, lengths.shape, "one weight for each of the lengths [S]")
    exists = samples.mask & kept.unsqueeze(-1)  # [Q, G, C]
    returns = torch.zeros(exists.shape)
    if critic:
        _call(name, "value_lr", lambda: critic.value_lr)
        returns = _call(name, "returns", lambda: critic.returns(samples))
        _check(name, "returns", returns, exists.shape, "a return for every token [Q, G, C]", exists)

    def gradient(advantages: torch.Tensor) -> torch.Tensor | None:
        tokens = _tokens(advantages[exists], weights, lengths, returns[exists], needs)
        return _gradient(algorithm, name, tokens)

    size = torch.Size([int(exists.sum())])
    _check(name, "the loss's gradient", gradient(by_token), size, "one for every log-prob")
    of_equal_groups = gradient(torch.zeros_like(by_token))
    learned = of_equal_groups is not None and bool(of_equal_groups.any())
    if learned and Need.EQUAL_GROUPS not in needs:
        logger.warning(
            "algorithm %s learns from groups whose advantages are all 0 too, and they are left out unless "
            "its `needs` have Need.EQUAL_GROUPS",
            name,
        )


def check_advantages(advantages: Any, samples: Samples, name: str) -> torch.Tensor:
    """The advantages, if they are [Q, G] or [Q, G, C]. Raises ValueError."""
    shapes = (samples.rewards.shape, samples.mask.shape)
    shape = tuple(advantages.shape) if isinstance(advantages, torch.Tensor) else type(advantages).__name__
    if shape in [tuple(allowed) for allowed in shapes]:
        return advantages
    raise ValueError(
        f"algorithm {name}: advantages gave {shape}; expected a tensor [Q, G], {tuple(shapes[0])}, or "
        f"[Q, G, C], {tuple(shapes[1])}"
    )


def known_needs(algorithm: Algorithm, name: str) -> frozenset[Need]:
    """What the algorithm needs. Raises ValueError for anything but members of Need."""
    needs = _call(name, "needs", lambda: list(algorithm.needs))
    if unknown := [need for need in needs if need not in list(Need)]:
        known = ", ".join(f"Need.{need.name}" for need in Need)
        raise ValueError(f"algorithm {name}: needs has {unknown[0]!r}; expected none but {known}")
    return frozenset(map(Need, needs))


# --- what is checked -----------------------------------------------------------------------------


def _gradient(algorithm: Algorithm, name: str, tokens: Tokens) -> torch.Tensor | None:
    """The gradient of the tokens' loss in their log-probs. Raises ValueError for an invalid loss."""
    loss = _call(name, "loss", lambda: algorithm.loss(tokens))
    if not isinstance(loss, Loss):
        raise ValueError(f"algorithm {name}: loss gave {type(loss).__name__}; expected a Loss(total, parts)")
    _check(name, "loss's total", loss.total, torch.Size([]), "a scalar")
    for part, values in loss.parts.items():
        _check(name, f"loss's part {part!r}", values, tokens.logprobs.shape, "a value for every token [N]")
        if not re.fullmatch("loss/[^/]+", part):
            raise ValueError(
                f"algorithm {name}: loss's part {part!r} needs a name as it is logged: 'loss/...'"
            )
    _call(name, "the loss's gradient", loss.total.backward)
    return tokens.logprobs.grad


def _check(
    name: str, what: str, value: Any, shape: torch.Size, wanted: str, where: torch.Tensor | None = None
) -> None:
    """Refuse anything but a tensor of the shape that is finite, or finite at `where`. Raises ValueError."""
    if not isinstance(value, torch.Tensor) or value.shape != shape:
        given = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
        raise ValueError(f"algorithm {name}: {what} is {given}; expected {wanted}, {tuple(shape)}")
    if not (value if where is None else value[where]).isfinite().all():
        raise ValueError(f"algorithm {name}: {what} is not finite on a made-up step of ordinary numbers")


def _call(name: str, what: str, ask: Callable[[], T]) -> T:
    """The result of `ask`. Raises ValueError with the algorithm's name for any exception."""
    try:
        return ask()
    except ValueError:
        raise
    except Exception as error:  # whatever a researcher's file raises
        asked = [need.name for need in Need if isinstance(error, KeyError) and error.args == (need.value,)]
        hint = (
            f"it is there where `needs` has Need.{asked[0]}"
            if asked
            else "rlaudio/algorithms/algorithm.py says what is expected; rloo.py beside it is a short example"
        )
        raised = f"{type(error).__name__}: {error}"
        raise ValueError(f"algorithm {name}: {what} raised {raised}; {hint}") from error


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
