"""Plain torch: every process holds the whole model and its optimizer; gradients are summed over processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any

import torch
import torch.distributed as dist

from rlaudio.training.strategies.strategy import (
    Item,
    OptimizerSettings,
    Result,
    is_head,
    refuse_nonfinite_norm,
    trained_parameters,
)
from rlaudio.utils.lanes import at_once, side_by_side
from rlaudio.utils.processes import Processes

MESSAGE_NUMBERS = 2**23  # 32 MB of float32


class Plain:
    """AdamW on the module's own parameters; bfloat16 ones are trained through float32 master copies.

    Raises ValueError for float16, whose gradients would need a scaled loss.
    """

    def __init__(self, module: torch.nn.Module, settings: OptimizerSettings, processes: Processes):
        self.module = module
        self.settings = settings
        self.processes = processes
        self.check(module)
        self._parameters = trained_parameters(module)
        self._on_cpu = all(p.device.type == "cpu" for p in self._parameters.values())
        self._masters = {name: _master(p) for name, p in self._parameters.items()}
        groups = [
            {"params": [m for name, m in self._masters.items() if is_head(name) == head], "peak": peak}
            for head, peak in ((False, settings.lr), (True, settings.value_lr))
        ]
        self.optimizer = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=settings.lr,
            betas=settings.betas,
            weight_decay=settings.weight_decay,
            fused=True,  # one pass over memory; elementwise, so its bits do not depend on threads
        )

    @staticmethod
    def check(module: torch.nn.Module) -> None:
        """Raises ValueError for a model that it cannot train."""
        if any(p.dtype == torch.float16 for p in trained_parameters(module).values()):
            raise ValueError(
                "plain trains float32 or bfloat16 and found float16, in which small gradients come out as 0; "
                "set model.dtype"
            )

    def forward(self, batch: Any) -> Any:
        """The module's output for a micro-batch."""
        return self.module(batch)

    def compute(self, function: Callable[[Item], Result], micro_batches: Sequence[Item]) -> Iterator[Result]:
        """The function's results in the order of the micro-batches, on a CPU side by side."""
        return side_by_side(function, micro_batches) if self._on_cpu else map(function, micro_batches)

    def accumulate(
        self, loss_of: Callable[[Item], tuple[torch.Tensor, Result]], micro_batches: Sequence[Item]
    ) -> Iterator[Result]:
        """Add the gradients of every loss, in float32 and in the order of the micro-batches."""
        if self._on_cpu and at_once(micro_batches) > 1:
            return self._accumulate_side_by_side(loss_of, micro_batches)
        return self._accumulate_in_turn(loss_of, micro_batches)

    def update(self, factor: float) -> float:
        """One AdamW step at `factor` times the peak learning rates; the gradient's norm before clipping."""
        masters = list(self._masters.values())
        if self.processes.size > 1:
            _sum_over_processes([_gradient(master) for master in masters])
        norm = float(torch.nn.utils.clip_grad_norm_(masters, self.settings.max_grad_norm))
        try:
            refuse_nonfinite_norm(norm, "the update was not made")
            for group in self.optimizer.param_groups:
                group["lr"] = group["peak"] * factor
            self.optimizer.step()
        finally:
            self.optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                if self._masters[name] is not parameter:
                    parameter.copy_(self._masters[name])
        return norm

    def weights(self) -> Iterable[tuple[str, torch.Tensor]]:
        """The policy's trained tensors by their names in the model."""
        return (
            (name.removeprefix("model."), p.detach())
            for name, p in self._parameters.items()
            if not is_head(name)
        )

    def state_dict(self) -> dict[str, Any]:
        """Optimizer state, master copies, and the value head if there is one."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "masters": {n: m for n, m in self._masters.items() if m is not self._parameters[n]},
            "value_head": {n: p.detach() for n, p in self._parameters.items() if is_head(n)},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.optimizer.load_state_dict(state["optimizer"])
        with torch.no_grad():
            for name, tensor in (state["masters"] | state["value_head"]).items():
                self._masters[name].copy_(tensor)

    def close(self) -> None:
        """Nothing to free."""

    # --- gradients -----------------------------------------------------------------------------

    def _accumulate_in_turn(
        self, loss_of: Callable[[Item], tuple[torch.Tensor, Result]], micro_batches: Sequence[Item]
    ) -> Iterator[Result]:
        """A gradient grows where it is, without memory for another; one in bfloat16 moves to its master."""
        for micro_batch in micro_batches:
            loss, result = loss_of(micro_batch)
            loss.backward()
            for name, parameter in self._parameters.items():
                if self._masters[name] is not parameter and parameter.grad is not None:
                    _gradient(self._masters[name]).add_(parameter.grad)
                    parameter.grad = None
            yield result

    def _accumulate_side_by_side(
        self, loss_of: Callable[[Item], tuple[torch.Tensor, Result]], micro_batches: Sequence[Item]
    ) -> Iterator[Result]:
        """Every micro-batch has gradients of its own, so that the order in which they are added is one."""
        parameters, masters = list(self._parameters.values()), list(self._masters.values())

        def gradients_of(micro_batch: Item) -> tuple[list[torch.Tensor | None], Result]:
            loss, result = loss_of(micro_batch)
            return list(torch.autograd.grad(loss, parameters, allow_unused=True)), result

        for gradients, result in side_by_side(gradients_of, micro_batches):
            given = [(m, g) for m, g in zip(masters, gradients, strict=True) if g is not None]
            if given:
                torch._foreach_add_([_gradient(master) for master, _ in given], [g for _, g in given])
            del gradients, given  # while the next ones are computed
            yield result


def _gradient(master: torch.Tensor) -> torch.Tensor:
    """The master's gradient, zeros where it has none yet."""
    if master.grad is None:
        master.grad = torch.zeros_like(master)
    return master.grad


def _sum_over_processes(tensors: Sequence[torch.Tensor]) -> None:
    """Sum each tensor over all processes, several in one message: small ones cost as much as large ones."""
    while tensors:
        sizes = accumulate(tensor.numel() for tensor in tensors)
        count = max(1, sum(size <= MESSAGE_NUMBERS for size in sizes))
        some, tensors = tensors[:count], tensors[count:]
        if count == 1:  # it may be large
            dist.all_reduce(some[0])
            continue
        message = torch.cat([tensor.flatten() for tensor in some])
        dist.all_reduce(message)
        for tensor, part in zip(some, message.split([tensor.numel() for tensor in some]), strict=True):
            tensor.copy_(part.view_as(tensor))


def _master(parameter: torch.nn.Parameter) -> torch.Tensor:
    """The parameter itself, or a float32 copy of one in bfloat16."""
    if parameter.dtype == torch.float32:
        return parameter
    return parameter.detach().float().requires_grad_()
