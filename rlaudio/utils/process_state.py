"""What a user's code may not leave changed in the process that trains, and its way back.

In the table stands what changes the numbers of a run or breaks it. Not in it: seeds of global generators
(all randomness here comes from keys), environment variables and warnings' filters, which code needs to set.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class _Setting:
    read: Callable[[], Any]
    write: Callable[[Any], object]


def _folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109  a third of the time of Path.cwd
    except FileNotFoundError:
        return None


def _set_folder(folder: str | None) -> None:
    if folder is not None:
        os.chdir(folder)


_guards: list[Any] = []  # an inference mode ends when its guard is deleted


def _set_inference_mode(on: bool) -> None:
    _guards.append(torch.inference_mode(on))
    _guards[-1].__enter__()


def _gpu() -> int | None:
    return torch.cuda.current_device() if torch.cuda.is_initialized() else None


def _set_gpu(number: int | None) -> None:
    if number is not None:
        torch.cuda.set_device(number)


def _set_default_device(device: torch.device) -> None:
    torch.set_default_device(None if device == torch.device("cpu") else device)  # None costs nothing per call


def _alarm_is_set() -> bool:
    return signal.getitimer(signal.ITIMER_REAL)[0] > 0


def _set_alarm(on: bool) -> None:
    if not on:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _handler(number: int) -> _Setting:
    return _Setting(lambda: signal.getsignal(number), lambda handler: signal.signal(number, handler))


_SETTINGS: Mapping[str, _Setting] = {
    # what training computes
    "torch.inference_mode": _Setting(torch.is_inference_mode_enabled, _set_inference_mode),
    "torch.set_grad_enabled": _Setting(torch.is_grad_enabled, torch.set_grad_enabled),
    "torch.set_default_dtype": _Setting(torch.get_default_dtype, torch.set_default_dtype),
    "torch.set_default_device": _Setting(torch.get_default_device, _set_default_device),
    "torch.cuda.set_device": _Setting(_gpu, _set_gpu),
    "torch.set_float32_matmul_precision": _Setting(
        torch.get_float32_matmul_precision, torch.set_float32_matmul_precision
    ),
    "torch.use_deterministic_algorithms": _Setting(
        torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms
    ),
    "torch.set_num_threads": _Setting(torch.get_num_threads, torch.set_num_threads),  # the order of sums
    "numpy.seterr": _Setting(np.geterr, lambda errors: np.seterr(**errors)),
    # where a run writes and what it says
    "the working directory": _Setting(_folder, _set_folder),
    "sys.stdout": _Setting(lambda: sys.stdout, lambda stream: setattr(sys, "stdout", stream)),
    "sys.stderr": _Setting(lambda: sys.stderr, lambda stream: setattr(sys, "stderr", stream)),
    "logging.disable": _Setting(lambda: logging.root.manager.disable, logging.disable),
    # what ends it
    "sys.setrecursionlimit": _Setting(sys.getrecursionlimit, sys.setrecursionlimit),
}
_SIGNALS: Mapping[str, _Setting] = {  # which the main thread alone may set
    "the handler of SIGINT": _handler(signal.SIGINT),
    "the handler of SIGTERM": _handler(signal.SIGTERM),
    "signal.alarm": _Setting(_alarm_is_set, _set_alarm),
}
_STREAMS = ("stdout", "stderr")


class ProcessState:
    """The settings as they are now; about 10 us to compare."""

    def __init__(self) -> None:
        in_main = threading.current_thread() is threading.main_thread()
        self._settings = {**_SETTINGS, **(_SIGNALS if in_main else {})}
        self._values = {name: setting.read() for name, setting in self._settings.items()}
        self._spare = {name: _duplicate(getattr(sys, name)) for name in _STREAMS}

    def restore(self) -> list[str]:
        """Put back what has changed; returns its names."""
        changed = [name for name, setting in self._settings.items() if setting.read() != self._values[name]]
        for name in changed:
            self._settings[name].write(self._values[name])
        return [*changed, *self._reopen()]

    def close(self) -> None:
        """Free what it holds."""
        for descriptor in self._spare.values():
            if descriptor is not None:
                os.close(descriptor)

    def _reopen(self) -> Iterator[str]:
        """Open the standard streams that have been closed."""
        for name, descriptor in self._spare.items():
            stream = getattr(sys, name)
            if getattr(stream, "closed", False) and descriptor is not None:
                again = os.fdopen(os.dup(descriptor), "w", buffering=1, encoding="utf-8", errors="replace")
                setattr(sys, name, again)
                self._values[f"sys.{name}"] = again
                yield f"sys.{name}.close"


@contextmanager
def kept_process_state() -> Iterator[ProcessState]:
    """The state at the beginning of the block."""
    state = ProcessState()
    try:
        yield state
    finally:
        state.close()


def _duplicate(stream: Any) -> int | None:
    """A second descriptor of what the stream writes to; None where there is none."""
    try:
        return os.dup(stream.fileno())
    except (AttributeError, OSError, ValueError):
        return None
