"""Checks of what an algorithm gives: its needs, its advantages, its tensors. Errors name the algorithm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch

from rlaudio.algorithms.algorithm import Algorithm, Need, Samples

T = TypeVar("T")


def checked_needs(algorithm: Algorithm, name: str) -> frozenset[Need]:
    """What the algorithm needs. Raises ValueError for anything but members of Need."""
    needs = asked(name, "needs", lambda: list(algorithm.needs))
    if unknown := [need for need in needs if need not in list(Need)]:
        known = ", ".join(f"Need.{need.name}" for need in Need)
        raise ValueError(f"algorithm {name}: needs has {unknown[0]!r}; expected none but {known}")
    return frozenset(map(Need, needs))


def advantages_by_token(advantages: Any, samples: Samples, name: str) -> torch.Tensor:
    """What an algorithm gave as advantages, [Q, G] or [Q, G, C], as [Q, G, C]. Raises ValueError."""
    of_samples, of_tokens = tuple(samples.rewards.shape), tuple(samples.mask.shape)
    shape = tuple(advantages.shape) if isinstance(advantages, torch.Tensor) else type(advantages).__name__
    if shape == of_samples:
        return advantages.unsqueeze(-1).expand(of_tokens)
    if shape == of_tokens:
        return advantages
    raise ValueError(
        f"algorithm {name}: advantages gave {shape}; expected a tensor [Q, G], {of_samples}, or [Q, G, C], "
        f"{of_tokens}"
    )


def check_tensor(
    name: str, what: str, value: Any, shape: torch.Size, wanted: str, where: torch.Tensor | None = None
) -> None:
    """Refuse anything but a tensor of the shape that is finite, or finite at `where`. Raises ValueError."""
    if not isinstance(value, torch.Tensor) or value.shape != shape:
        given = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
        raise ValueError(f"algorithm {name}: {what} is {given}; expected {wanted}, {tuple(shape)}")
    if not (value if where is None else value[where]).isfinite().all():
        raise ValueError(f"algorithm {name}: {what} is not finite on a made-up step of ordinary numbers")


def asked(name: str, what: str, ask: Callable[[], T]) -> T:
    """The result of `ask`. Raises ValueError with the algorithm's name for any exception."""
    try:
        return ask()
    except ValueError:
        raise
    except Exception as error:  # whatever a researcher's file raises
        missing = [need.name for need in Need if isinstance(error, KeyError) and error.args == (need.value,)]
        hint = (
            f"it is there where `needs` has Need.{missing[0]}"
            if missing
            else "rlaudio/algorithms/algorithm.py says what is expected; rloo.py beside it is a short example"
        )
        raised = f"{type(error).__name__}: {error}"
        raise ValueError(f"algorithm {name}: {what} raised {raised}; {hint}") from error
