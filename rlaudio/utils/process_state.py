"""What a user's code may not leave changed in the process that trains, and its way back.

In the table stands what changes the numbers of a run or breaks it. Not in it: seeds of global generators
(all randomness here comes from keys), environment variables and warnings' filters, which code needs to set.
"""

from __future__ import annotations

import builtins
import decimal
import gc
import logging
import operator
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

_Setting = tuple[Callable[[], Any], Callable[[Any], object]]  # read it, write it
_BUILTINS = vars(builtins)  # what names mean that no module defines
_all, _map = all, map  # as they are before any plug-in runs
_guards: list[Any] = []  # an inference mode ends when its guard is deleted


def _set_inference_mode(on: bool) -> None:
    _guards.append(torch.inference_mode(on))
    _guards[-1].__enter__()


def _folder() -> str | None:
    with suppress(FileNotFoundError):
        return os.getcwd()  # noqa: PTH109  a third of the time of Path.cwd
    return None


def _handler(number: int) -> _Setting:
    return lambda: signal.getsignal(number), lambda handler: signal.signal(number, handler)


def _umask() -> int:
    """The mode that new files do not get; there is no call that only reads it."""
    now = os.umask(0o077)
    os.umask(now)
    return now


def _flag(owner: Any, name: str) -> _Setting:
    return lambda: getattr(owner, name), lambda value: setattr(owner, name, value)


def _attention(kernel: str) -> _Setting:
    """Whether a kernel may compute attention on a GPU."""
    cuda = torch.backends.cuda
    return getattr(cuda, f"{kernel}_sdp_enabled"), getattr(cuda, f"enable_{kernel}_sdp")


def _autocast(device: str) -> _Setting:
    """Whether operations on a device are computed in half precision."""
    return partial(torch.is_autocast_enabled, device), partial(torch.set_autocast_enabled, device)


def _stream(name: str) -> _Setting:
    return lambda: getattr(sys, name), lambda stream: setattr(sys, name, stream)


def _decimal_context() -> tuple[Any, ...]:
    """By which texts become numbers, in answers among them."""
    now = decimal.getcontext()
    traps = [trap for trap, on in now.traps.items() if on]
    return now.prec, now.rounding, now.Emin, now.Emax, now.capitals, now.clamp, None, traps


def _limit(number: int) -> _Setting:
    def put_back(limits: tuple[int, int]) -> None:
        _, hard = resource.getrlimit(number)
        try:
            resource.setrlimit(number, limits)
        except (ValueError, OSError):  # who is not root cannot raise a hard limit again
            soft = limits[0] if hard == resource.RLIM_INFINITY else min(limits[0], hard)
            resource.setrlimit(number, (hard if limits[0] == resource.RLIM_INFINITY else soft, hard))

    return lambda: resource.getrlimit(number), put_back


_LIMITS = (
    "RLIMIT_AS",
    "RLIMIT_DATA",
    "RLIMIT_STACK",
    "RLIMIT_CPU",
    "RLIMIT_FSIZE",
    "RLIMIT_NOFILE",
    "RLIMIT_NPROC",
)

_SETTINGS: Mapping[str, _Setting] = {
    # what training computes
    "torch.inference_mode": (torch.is_inference_mode_enabled, _set_inference_mode),
    "torch.set_grad_enabled": (torch.is_grad_enabled, torch.set_grad_enabled),
    "torch.set_default_dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "torch.set_default_device": (
        torch.get_default_device,
        lambda device: torch.set_default_device(
            None if device.type == "cpu" else device
        ),  # None costs nothing
    ),
    "torch.cuda.set_device": (
        lambda: torch.cuda.current_device() if torch.cuda.is_initialized() else None,
        lambda number: None if number is None else torch.cuda.set_device(number),
    ),
    "torch.set_float32_matmul_precision": (
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
    ),
    "torch.use_deterministic_algorithms": (
        torch.are_deterministic_algorithms_enabled,
        torch.use_deterministic_algorithms,
    ),
    **{f"torch.autocast({device!r})": _autocast(device) for device in ("cpu", "cuda")},
    "torch.backends.mkldnn.enabled": _flag(torch.backends.mkldnn, "enabled"),
    **{
        f"torch.backends.cudnn.{name}": _flag(torch.backends.cudnn, name)
        for name in ("enabled", "benchmark", "deterministic")
    },
    **{
        f"torch.backends.cuda.enable_{kernel}_sdp": _attention(kernel)
        for kernel in ("flash", "mem_efficient", "math", "cudnn")
    },
    "torch.set_num_threads": (torch.get_num_threads, torch.set_num_threads),  # the order of sums
    "numpy.seterr": (np.geterr, lambda errors: np.seterr(**errors)),
    # where a run writes and what it says
    "the working directory": (_folder, lambda folder: None if folder is None else os.chdir(folder)),
    "os.umask": (_umask, os.umask),
    "sys.stdout": _stream("stdout"),
    "sys.stderr": _stream("stderr"),
    "logging.disable": (lambda: logging.root.manager.disable, logging.disable),
    "decimal.getcontext": (_decimal_context, lambda context: decimal.setcontext(decimal.Context(*context))),
    "socket.setdefaulttimeout": (socket.getdefaulttimeout, socket.setdefaulttimeout),
    # what ends it
    **{f"resource.setrlimit({name})": _limit(getattr(resource, name)) for name in _LIMITS},
    "gc.disable": (gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
    "sys.setrecursionlimit": (sys.getrecursionlimit, sys.setrecursionlimit),
    "sys.excepthook": _flag(sys, "excepthook"),
    "threading.excepthook": _flag(threading, "excepthook"),
    "sys.settrace": (sys.gettrace, sys.settrace),
    "sys.setprofile": (sys.getprofile, sys.setprofile),
}
_FUNCTIONS = (  # modules and classes whose functions may be called, but not replaced
    *(
        "copy",
        "functools",
        "hashlib",
        "json",
        "math",
        "os",
        "posixpath",
        "random",
        "re",
        "shutil",
    ),
    *("struct", "tempfile", "time", "numpy", "torch", "torch.nn.functional", "yaml", "safetensors.torch"),
    *("soundfile", torch.Tensor, torch.nn.Module, Path),
)
_SIGNALS: Mapping[str, _Setting] = {  # which the main thread alone may set
    "the handler of SIGINT": _handler(signal.SIGINT),
    "the handler of SIGTERM": _handler(signal.SIGTERM),
    "signal.alarm": (
        lambda: signal.getitimer(signal.ITIMER_REAL)[0] > 0,
        lambda on: None if on else signal.setitimer(signal.ITIMER_REAL, 0),
    ),
}


class ProcessState:
    """The settings and functions as they are now; about 15 us to compare, with functions about 120."""

    def __init__(self, spare: Mapping[str, tuple[int, int]]) -> None:
        in_main = threading.current_thread() is threading.main_thread()
        self._settings = {**_SETTINGS, **(_SIGNALS if in_main else {})}
        self._values = {name: read() for name, (read, _) in self._settings.items()}
        self._builtins = dict(_BUILTINS)
        self._replaced: dict[str, None] = {}  # names of those that were put back
        self._functions = list(_functions())
        self._spare = spare
        self._files = {name: os.fstat(second) for name, (_, second) in spare.items()}

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the function returns. Builtins that it replaced are back at once: any line may need them."""
        try:
            return function(*arguments)
        finally:
            self._put_builtins_back()

    def restore(self, *, functions: bool = True) -> list[str]:
        """Put back what has changed, of functions other than builtins if asked for; returns its names."""
        if functions:  # else `call` has just done it
            self._put_builtins_back()
        replaced, self._replaced = [*self._replaced], {}
        changed = [name for name, (read, _) in self._settings.items() if read() != self._values[name]]
        for name in changed:
            _, write = self._settings[name]
            write(self._values[name])
        replaced += self._functions_again() if functions else ()
        return [*changed, *replaced, *self._reopen()]

    def _put_builtins_back(self) -> None:
        """Put builtins back that have been replaced, without calling any by its name."""
        if _all(_map(operator.is_, self._builtins.values(), _map(_BUILTINS.get, self._builtins))):
            return
        for name, value in self._builtins.items():
            if _BUILTINS.get(name) is not value:
                _BUILTINS[name] = value
                self._replaced[f"builtins.{name}"] = None

    def _functions_again(self) -> Iterator[str]:
        """Put back functions of modules, and modules, that have been replaced or deleted."""
        for owner, functions in self._functions:
            if isinstance(owner, ModuleType) and sys.modules.get(owner.__name__) is not owner:
                sys.modules[owner.__name__] = owner
                yield f"sys.modules[{owner.__name__!r}]"
            if all(map(operator.is_, functions.values(), map(vars(owner).get, functions))):
                continue
            for name, function in functions.items():
                if vars(owner).get(name) is not function:
                    setattr(owner, name, function)
                    yield f"{owner.__name__}.{name}"

    def _reopen(self) -> Iterator[str]:
        """Open standard streams that have been closed, and their descriptors that have or lead elsewhere."""
        for name, (descriptor, second) in self._spare.items():
            is_closed = _is_closed(getattr(sys, name))
            is_moved = not _leads_to(descriptor, self._files[name])
            if is_moved:
                os.dup2(second, descriptor)
            if is_closed:
                stream = os.fdopen(os.dup(second), "w", buffering=1, encoding="utf-8", errors="replace")
                setattr(sys, name, stream)
                self._values[f"sys.{name}"] = stream
            if is_closed or is_moved:
                yield f"sys.{name}.close" if is_closed else f"the descriptor of sys.{name}"


def _functions() -> Iterator[tuple[Any, dict[str, Any]]]:
    """Modules that are imported and classes, and their functions."""
    for name in _FUNCTIONS:
        owner = sys.modules.get(name) if isinstance(name, str) else name
        if owner is not None:
            yield owner, {name: value for name, value in vars(owner).items() if callable(value)}


def _is_closed(stream: Any) -> bool:
    try:
        return bool(stream.closed)
    except ValueError:  # its buffer is detached
        return True


def _leads_to(descriptor: int, file: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), file)
    except OSError:  # it is closed
        return False


@contextmanager
def kept_process_state() -> Iterator[ProcessState]:
    """The state at the beginning of the block."""
    spare: dict[str, tuple[int, int]] = {}  # descriptors of the standard streams, and second ones of the same
    for name in ("stdout", "stderr"):
        with suppress(AttributeError, OSError, ValueError):  # a stream that is no file
            descriptor = getattr(sys, name).fileno()
            spare[name] = descriptor, os.dup(descriptor)
    try:
        yield ProcessState(spare)
    finally:
        for _, second in spare.values():
            os.close(second)
