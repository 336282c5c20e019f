"""The protocol of a strategy, and the optimizer's settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

import torch

from rlaudio.utils.processes import Processes

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    """AdamW with warm-up, then a schedule down to 0 over the steps of a stage."""

    lr: float
    steps: int
    warmup: float  # share of the steps
    schedule: Literal["cosine", "linear", "constant"]
    weight_decay: float
    betas: tuple[float, float]
    max_grad_norm: float
    value_lr: float = 0.0  # of a value head; the learner sets it to that of an algorithm with a critic

    def factor_at(self, step: int) -> float:
        """Share of the peak learning rate at a step, counted from 0."""
        warmup = math.ceil(self.warmup * self.steps)
        if step < warmup:
            return (step + 1) / warmup
        done = (step - warmup) / max(1, self.steps - warmup)
        return {
            "constant": 1.0,
            "linear": 1.0 - done,
            "cosine": 0.5 * (1.0 + math.cos(math.pi * done)),
        }[self.schedule]

    def rates(self, factor: float) -> dict[str, float]:
        """The learning rates of updates at `factor` times the peak, by the names of their metrics."""
        of_head = {"optimizer/value_lr": self.value_lr * factor} if self.value_lr else {}
        return {"optimizer/lr": self.lr * factor} | of_head


class Strategy(Protocol):
    """Owns a policy's optimizer and computes with it, in one process or in many.

    One update is `accumulate` over the micro-batches, as many in each process, then `update`.
    Losses are shares of one loss over all processes: gradients are summed, not averaged. The trained part
    is called `module`: a torch module with parameters `model.*` and perhaps `value_head.*`.
    """

    module: torch.nn.Module
    processes: Processes

    @staticmethod
    def check(module: torch.nn.Module) -> None:
        """Raise ValueError for a model that it cannot train; the model may have no memory (meta device).

        Optional, and called with the options too, before a run computes anything.
        """

    def forward(self, batch: Any) -> Any:
        """The module's output for a micro-batch."""

    def compute(self, function: Callable[[Item], Result], micro_batches: Sequence[Item]) -> Iterator[Result]:
        """The function's results in the order of the micro-batches; it may run for several at a time."""

    def accumulate(
        self, loss_of: Callable[[Item], tuple[torch.Tensor, Result]], micro_batches: Sequence[Item]
    ) -> Iterator[Result]:
        """Add the gradients of every micro-batch's loss; what `loss_of` gave beside each, in their order.

        An `update` follows. `loss_of` may run for several micro-batches at a time.
        """

    def update(self, factor: float) -> float:
        """One optimizer step at `factor` times the peak learning rates; the norm of the whole gradient.

        Raises FloatingPointError if that norm is not finite.
        """

    def weights(self) -> Iterable[tuple[str, torch.Tensor]]:
        """The policy's trained tensors, whole, by their names in the model; all processes must call."""

    def state_dict(self) -> dict[str, Any]:
        """What this process must save to resume: optimizer state, master weights, value head."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that this process saved; all processes must call."""

    def close(self) -> None:
        """Release the module: after this another strategy may train it."""


def trained_parameters(module: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The parameters that train, by name. Raises ValueError where the model has none."""
    trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
    if all(map(is_head, trained)):
        raise ValueError(
            "nothing in the model trains; expected at least one part that does; leave it out of "
            "model.freeze, or set model.lora_rank"
        )
    return trained


def is_head(name: str) -> bool:
    """Whether a parameter of the trained module belongs to the value head."""
    return name.startswith("value_head.")


def refuse_nonfinite_norm(norm: float, outcome: str) -> float:
    """`norm`, unless it is NaN or infinite: then FloatingPointError with the outcome of the update."""
    if not math.isfinite(norm):
        raise FloatingPointError(f"optimizer/grad_norm came out as {norm}; {outcome}")
    return norm
