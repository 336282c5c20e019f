"""Where a NaN or an infinity is born: first module of a forward pass, first operation of a backward pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

_TORCH = str(Path(torch.__file__).parent)


@dataclass
class ForwardWatch:
    """What the hooks of `watch_forward` see."""

    first_bad: str | None = None  # module whose inputs are finite and whose output is not


@dataclass(frozen=True)
class BadOperation:
    """An operation that turned finite gradients into others."""

    name: str  # torch's: MmBackward0, or that of an autograd function
    where: str | None  # file, line and function that called it in the forward pass


@contextmanager
def watch_forward(module: torch.nn.Module) -> Iterator[ForwardWatch]:
    """Within the block every forward pass of `module` looks for its first bad submodule."""
    seen = ForwardWatch()

    def look(name: str, of: torch.nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        if seen.first_bad is None and not all_finite(output) and all_finite((args, kwargs)):
            seen.first_bad = f"{name or 'policy'} ({type(of).__name__})"

    hooks = [
        part.register_forward_hook(partial(look, name), with_kwargs=True)
        for name, part in module.named_modules()
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def backward_and_find(loss: torch.Tensor) -> BadOperation | None:
    """Backpropagate `loss`; the first operation with finite gradients on one side and not on the other.

    Operations know where they were called if the forward pass ran under `remember_calls`.
    """
    found: list[BadOperation] = []

    def look(node: Any, inputs: Any, outputs: Any) -> None:
        if not found and all_finite(outputs) and not all_finite(inputs):
            found.append(BadOperation(node.name(), _call(node)))

    hooks = [node.register_hook(partial(look, node)) for node in _nodes(loss)]
    try:
        loss.backward()
    finally:
        for hook in hooks:
            hook.remove()
    return found[0] if found else None


def remember_calls() -> Any:
    """A context in which every differentiable operation notes the Python stack that called it: slow."""
    return torch.autograd.set_detect_anomaly(True, check_nan=False)


def all_finite(value: Any) -> bool:
    """Whether every floating-point number in a tensor, or in tensors inside other values, is finite."""
    if isinstance(value, torch.Tensor):
        return not value.is_floating_point() or bool(value.isfinite().all())
    if isinstance(value, Mapping):
        return all(all_finite(entry) for entry in value.values())
    if isinstance(value, list | tuple):
        return all(all_finite(entry) for entry in value)
    if is_dataclass(value) and not isinstance(value, type):
        return all(all_finite(getattr(value, field.name)) for field in fields(value))
    return True


def _nodes(loss: torch.Tensor) -> Iterator[Any]:
    """All nodes of the graph behind a loss, each once."""
    waiting, seen = [loss.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node
        waiting += [after for after, _ in node.next_functions]


def _call(node: Any) -> str | None:
    """The innermost caller outside torch, as FILE:LINE in FUNCTION."""
    for entry in reversed(node.metadata.get("traceback_", [])):
        first = entry.strip().partition("\n")[0]
        if first.startswith('File "') and not first.startswith(f'File "{_TORCH}'):
            file, line, function = (part.strip() for part in first.split(",", 2))
            return f"{file[6:-1]}:{line.removeprefix('line ')} {function}"
    return None
