"""How a user's code may end the process that runs it: by Ctrl-C alone, and not by itself.

Ctrl-C is told apart from a KeyboardInterrupt that the code raises. What ends or replaces a process at once,
with a status of its own, raises instead: the status of a command says whether the work was done.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from rlaudio.utils.messages import shown

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Whether a signal from outside has interrupted the code."""

    received = False


@contextmanager
def heard_interrupts(answered: Callable[[], bool] = lambda: False) -> Iterator[Interrupts]:
    """Within the block, notes whether the handler of Ctrl-C or SIGTERM has raised.

    A SIGINT that `answered` knows of, by returning True or raising, does not reach that handler. Only the
    main thread gets signals, so a KeyboardInterrupt in another one comes from the code that runs there.
    """
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return

    def receive(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and answered():
            return
        try:
            _pass_on(before[number], number, frame)
        except BaseException:
            interrupts.received = True
            raise

    handlers: dict[int, Any] = {number: signal.getsignal(number) for number in SIGNALS}
    # None: not set by Python. A default SIGTERM ends the process at once, which no code can take for its own.
    before = {n: h for n, h in handlers.items() if h is not None and (n == signal.SIGINT or callable(h))}
    for number in before:
        signal.signal(number, receive)
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _pass_on(handler: Any, number: int, frame: FrameType | None) -> None:
    if callable(handler):
        handler(number, frame)
    elif handler == signal.SIG_DFL:
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)


# --- ends ----------------------------------------------------------------------------------------

end_now: Callable[[int], NoReturn] = os._exit
_ENDS = {name: getattr(os, name) for name in ("_exit", "execv", "execve")}  # the other execs call these two
_MODULES = tuple(sys.modules[name] for name in ("os", "posix") if name in sys.modules)  # where they stand
_refusing: list[int] = []  # process ids: a child that code forks ends as it likes


class RefusedEnd(BaseException):
    """Code asked to end the process at once; not an Exception, which code that tries again would catch."""


@contextmanager
def refused_ends() -> Iterator[None]:
    """Within the block os._exit and os.exec* raise RefusedEnd, in every thread of this process."""
    refuse_ends()
    try:
        yield
    finally:
        _refusing.remove(os.getpid())


def refuse_ends() -> None:
    """From here on os._exit and os.exec* raise RefusedEnd, in every thread of this process."""
    for name in _ENDS:
        for module in _MODULES:
            setattr(module, name, _refused(name))
    _refusing.append(os.getpid())


def _refused(name: str) -> Callable[..., NoReturn]:
    def end(*arguments: Any) -> NoReturn:
        if os.getpid() not in _refusing:
            _ENDS[name](*arguments)
        raise RefusedEnd(f"os.{name}({', '.join(map(shown, arguments))})")

    return end
