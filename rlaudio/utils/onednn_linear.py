"""Linear layers by oneDNN on CPUs where it is the faster library, and GELU without it.

torch multiplies float32 matrices with MKL, which leaves AVX-512 unused on AMD's processors. oneDNN, which
every torch for x86 brings too, uses it and takes half the time there; see "Against an older version" in
docs/results.md. Both sum in float32.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.utils.flop_counter import flop_registry, register_flop_formula
from transformers.activations import GELUActivation

CPUS = Path("/proc/cpuinfo")
# Products whose code oneDNN keeps, and torch beside it. Code is for one shape and one number of threads, and
# a step has about 300; the 1,024 that each keeps by default hold a gigabyte.
_KEPT = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "512", "LRU_CACHE_CAPACITY": "512"}
# Making the code of a product takes 0.3 ms, as long as a thousand rows. So rows are padded to the next of few
# numbers: multiples of 64, from 1,024 rows on of a sixteenth to an eighth.
_FEWEST_ROWS, _ROW_STEP = 32, 64  # fewer are left to torch


@cache
def onednn_is_faster(cpus: Path = CPUS) -> bool:
    """Whether this torch has the layer, and this CPU is one of AMD's with AVX-512."""
    if torch.backends.cpu.get_cpu_capability() != "AVX512" or not _is_of_amd(cpus):
        return False
    for variable, products in _KEPT.items():  # read at the first product
        os.environ.setdefault(variable, products)
    return _works()


def use_onednn(model: torch.nn.Module) -> None:
    """Have a model's linear layers compute by oneDNN where that is faster, and GELU not; names stay."""
    if not onednn_is_faster():
        return
    for module in model.modules():
        if type(module) is torch.nn.Linear:
            module.__class__ = OneDnnLinear
        elif type(module) is GELUActivation:
            module.__class__ = Gelu


def is_plain_linear(module: torch.nn.Module) -> bool:
    """Whether it multiplies by its `weight` and does nothing else, as an adapter around it would."""
    return type(module) in (torch.nn.Linear, OneDnnLinear)


class OneDnnLinear(torch.nn.Linear):
    """A linear layer whose products are oneDNN's for float32 on a CPU, forward and backward, else torch's.

    Gradient checkpointing computes the last product of a block once more than with torch's layer, which saves
    its input before it computes.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Values [..., out] of `input` [..., in]."""
        if not _is_for_onednn(input, self.weight):
            return super().forward(input)
        if torch.is_grad_enabled():
            return _Linear.apply(input, self.weight, self.bias)
        return _onednn(input, self.weight, self.bias)


class Gelu(GELUActivation):
    """GELU by torch itself, to which it leaves what is not contiguous: oneDNN makes code for every shape."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Values of `input`, in its shape."""
        return super().forward(input.mT).mT if input.dim() > 1 else super().forward(input)


def missing_rows(input: torch.Tensor) -> int:
    """Rows that each layer would add to `input` [..., M, K]; a model adds them once."""
    if not (onednn_is_faster() and _is_for_onednn(input, input)):
        return 0
    return _missing(input.shape[:-1].numel())


def linear(input: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Products [M, N] of `input` [M, K] and `weight` [N, K] by the faster library, without gradients."""
    if onednn_is_faster() and _is_for_onednn(input, weight):
        return _onednn(input, weight, None)
    return torch.nn.functional.linear(input, weight)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Any, weight: Any, bias: Any) -> Any:
        ctx.save_for_backward(input, weight)
        return _onednn(input, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Any) -> Any:
        input, weight = ctx.saved_tensors
        rows = _rounded_up(gradient.flatten(0, -2))  # [M, out]
        of_input = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_input = _multiply(rows, weight.t())[: input.shape[:-1].numel()].view(input.shape)
        if ctx.needs_input_grad[1]:
            of_weight = _over_rows(rows, _rounded_up(input.flatten(0, -2)))
        if ctx.needs_input_grad[2]:
            of_bias = rows.sum(0)
        return of_input, of_weight, of_bias


def _over_rows(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """`left.t() @ right`, [N, K] of [M, N] and [M, K]; oneDNN copies what comes first: the narrower one."""
    if left.shape[1] <= right.shape[1]:
        return _multiply(left.t(), right.t())
    return _multiply(right.t(), left.t()).t()


def _is_for_onednn(input: torch.Tensor, weight: torch.Tensor) -> bool:
    in_float32 = input.dtype == weight.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return in_float32 and input.device.type == "cpu" and input.shape[:-1].numel() >= _FEWEST_ROWS


def _onednn(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    product = _multiply(_rounded_up(input.flatten(0, -2)), weight, bias)
    return product.resize_(*input.shape[:-1], len(weight))  # without the padding; a view could not be changed


def _multiply(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """Products [M, N] of `rows` [M, K] and `weight` [N, K], all in code that is made for their shape."""
    return _product()(rows, weight, bias, "none", [], "")


def _rounded_up(rows: torch.Tensor) -> torch.Tensor:
    """The rows [M, K], and rows of zeros up to the next number of rows that oneDNN makes code for."""
    missing = _missing(len(rows))
    return torch.nn.functional.pad(rows, (0, 0, 0, missing)) if missing else rows


def _missing(rows: int) -> int:
    """How many to the next number that oneDNN makes code for."""
    return -rows % max(_ROW_STEP, 2 ** (rows.bit_length() - 4))


def _is_of_amd(cpus: Path) -> bool:
    try:
        return "AuthenticAMD" in cpus.read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        return False


def _works() -> bool:
    """Whether this torch has the operator, which is not public, and it takes what it is given here."""
    ones = torch.ones(2, 2)
    try:
        return _product() is not None and torch.equal(_onednn(ones, ones, None), 2 * ones)
    except (RuntimeError, TypeError):
        return False


@cache
def _product() -> Any:
    """torch's linear layer by oneDNN, which its compiler uses; None where this torch has none."""
    product = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    if product is not None and product not in flop_registry:
        register_flop_formula(product)(_flops)
    return product


def _flops(input: Any, weight: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    """Of torch's FLOP counter, by shapes [..., K] and [N, K]: two for each multiplication."""
    return 2 * torch.Size(input).numel() * weight[0]
