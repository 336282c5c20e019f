"""A device that computes on the CPU and is as strict as a GPU about which tensors lie on it.

What would fail on a GPU because one tensor of an operation was left on the CPU fails here too, but for single
numbers, which some operations of a GPU refuse and these take. All else has its real values. The device goes
by the name `meta`: any build of PyTorch can make tensors of that type.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch.optim import optimizer
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

DEVICE = torch.device("meta")
aten = torch.ops.aten
COPYING = (aten.copy_.default, aten._to_copy.default)  # from and to the CPU
INDEXING = (aten.index.Tensor, aten.index_put_.default, aten._index_put_impl_.default)  # with indices from it


class OnDevice(torch.Tensor):
    """A tensor that says it is on the device, around one on the CPU."""

    def __new__(cls, inner):
        shape = {"strides": inner.stride(), "storage_offset": inner.storage_offset()}
        outer = torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, dtype=inner.dtype, device=DEVICE, **shape
        )
        outer.inner = inner
        return outer

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        return compute(operation, args, kwargs or {})

    def tolist(self):
        return self.inner.tolist()

    def data_ptr(self):
        return self.inner.data_ptr()


def compute(operation, args, kwargs):
    """An operation, after a look at where its tensors are."""
    tensors = [leaf for leaf in _leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    here = {id(tensor.inner): tensor for tensor in tensors if isinstance(tensor, OnDevice)}
    together = [args[0], *args[2:3]] if operation in INDEXING else [] if operation in COPYING else tensors
    left = [single for single in together if not isinstance(single, OnDevice) and single.dim()]
    if here and left:
        raise RuntimeError(f"{operation}: a tensor {tuple(left[0].shape)} was left on the CPU")
    if kwargs.get("device") is None:
        to_device = isinstance(args[0], OnDevice) if operation is aten.copy_.default else bool(here)
    else:
        to_device = torch.device(kwargs["device"]) == DEVICE
        kwargs = kwargs | {"device": torch.device("cpu")}
    actual = operation(*_mapped(_taken_off, args), **_mapped(_taken_off, kwargs))
    if not to_device:
        return actual
    return _mapped(lambda leaf: _put_on(leaf, here) if isinstance(leaf, torch.Tensor) else leaf, actual)


def _leaves(value):
    """What lies in lists, tuples and mappings; PyTorch's own way takes longer than the operations."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if not isinstance(value, list | tuple):
        return [value]
    return [leaf for part in value for leaf in _leaves(part)]


def _mapped(function, value):
    if isinstance(value, dict):
        return {key: _mapped(function, part) for key, part in value.items()}
    if not isinstance(value, list | tuple):
        return function(value)
    return type(value)([_mapped(function, part) for part in value])


def _taken_off(leaf):
    return leaf.inner if isinstance(leaf, OnDevice) else leaf


def _put_on(tensor, known):
    if id(tensor) in known:  # an operation in place gives back what it was given
        return known[id(tensor)]
    return tensor if isinstance(tensor, OnDevice) else OnDevice(tensor)


class _Operations(TorchDispatchMode):
    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        return compute(operation, args, kwargs or {})


class _Calls(TorchFunctionMode):
    """PyTorch makes tensors of Python's numbers, and of lists that index, where no operation is seen."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if function in (torch.tensor, torch.as_tensor) and kwargs.get("device") == DEVICE:
            return function(*args, **kwargs | {"device": None}).to(DEVICE)
        if function in (torch.Tensor.__getitem__, torch.Tensor.__setitem__):
            args = (args[0], _index(args[1]), *args[2:])
        return function(*args, **kwargs)


def _index(index):
    if isinstance(index, tuple):
        return tuple(map(_index, index))
    return torch.as_tensor(index) if isinstance(index, list | np.ndarray) else index


@contextmanager
def strict_device(monkeypatch) -> Iterator[torch.device]:
    """While this lasts there is such a device."""
    kernels = optimizer._get_fused_kernels_supported_devices
    monkeypatch.setattr(optimizer, "_get_fused_kernels_supported_devices", lambda: [*kernels(), DEVICE.type])
    with ExitStack() as modes:
        modes.enter_context(_Operations())
        modes.enter_context(_Calls())
        yield DEVICE
