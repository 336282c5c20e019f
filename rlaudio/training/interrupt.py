"""Ctrl-C that waits for the step to end: the first asks for it, the second does not wait."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopSignal:
    """Whether the process was asked to stop."""

    received = False


@contextmanager
def stop_signal() -> Iterator[StopSignal]:
    """Within the block Ctrl-C and SIGTERM only set `received`; a second Ctrl-C interrupts at once."""
    stop = StopSignal()

    def receive(number: int, frame: FrameType | None) -> None:
        if stop.received:
            raise KeyboardInterrupt
        stop.received = True

    before = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():  # None: it was set by something else than Python
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
