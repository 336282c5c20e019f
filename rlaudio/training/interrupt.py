"""Ctrl-C that waits for the step to end: the first asks for it, the second does not wait."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Request:
    """Whether somebody asked to stop."""

    made = False


@contextmanager
def stop_request() -> Iterator[Request]:
    """Within the block Ctrl-C and SIGTERM only set `made`; a second Ctrl-C interrupts at once."""
    request = Request()

    def ask(number: int, frame: FrameType | None) -> None:
        if request.made:
            raise KeyboardInterrupt
        request.made = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():  # None: it was set by something else than Python
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
