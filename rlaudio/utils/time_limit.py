"""A limit to the time in which a call of a user's code must return, kept by a thread beside it.

Such code runs in the main thread, where it may hold a model, set an alarm or ask for signals; and a thread
cannot be ended from outside. So the watching thread has three means, each for what the one before cannot end:

1. It sends SIGINT, whose handler raises TimeUp in the call: that ends a wait or a loop in Python.
2. After GRACE seconds it takes over from the main thread, which may sit in C code or catch everything: it
   calls `take_over`, which saves and ends the process. A call that returns after all is not let go on.
3. Code that holds the interpreter's lock stops all threads of Python. A timer of faulthandler, set again
   whenever the watching thread runs, then prints where the process is and ends it with status 1.
"""

from __future__ import annotations

import faulthandler
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, FunctionType
from typing import Any, NoReturn, Protocol

import torch

from rlaudio.utils.forks import one_process
from rlaudio.utils.interrupts import end_now, heard_interrupts, refused_ends

GRACE = 10.0  # seconds
POKE_EVERY = 0.5  # seconds
_limited: set[int] = set()  # threads inside a call that has a limit
_STDERR = 2  # a descriptor: faulthandler writes without Python


class TimeUp(BaseException):
    """A call did not return in time; not an Exception, which code that tries again would catch."""


class Call(Protocol):
    """What is called, as messages name it."""

    @property
    def file(self) -> str:
        """The file of the user's that it runs."""


def in_time(call: Call, seconds: float | None, function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function returns, which has these seconds; None: no limit. What it raises goes through.

    Where it does not return the process is ended, if need be. Raises TimeoutError that names the call and
    the place where it was, KeyboardInterrupt after Ctrl-C alone.
    """

    def take_over(_: Call, place: str) -> NoReturn:
        print_error(_late(call, seconds, place))
        end_now(1)

    limit = TimeLimit(seconds, take_over)
    with heard_interrupts(limit.answer_signal) as interrupts, refused_ends(), limit.watching():
        try:
            return limit.run(call, function, *arguments)
        except TimeUp:
            raise TimeoutError(_late(call, seconds, limit.place)) from None
        except BaseException:
            if interrupts.received:
                raise KeyboardInterrupt from None
            raise


def is_limited() -> bool:
    """Whether this thread is inside a call that has a limit."""
    return threading.get_ident() in _limited


def print_error(message: str) -> None:
    """Print an error before the process ends, wherever that is possible."""
    with suppress(OSError, ValueError, AttributeError):
        print(f"Error: {message}", file=sys.stderr, flush=True)  # noqa: T201  no exception can carry it


class TimeLimit:
    """The limit of one call after the other; `seconds` None: no limit."""

    def __init__(self, seconds: float | None, take_over: Callable[[Any, str], object]) -> None:
        self.expired: Call | None = None  # the call that was ended
        self.place = ""  # where it was: file and line
        self.seconds, self._take_over = seconds, take_over
        self._lock = threading.Lock()
        self._call: Call | None = None
        self._in_code = False
        self._since = 0.0
        self._closed = threading.Event()
        self._taken_over = False
        self._caller = threading.get_ident()
        self._can_poke = threading.current_thread() is threading.main_thread()
        self._gpu = torch.cuda.current_device() if torch.cuda.is_initialized() else None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Within the block the calls are watched."""
        if self.seconds is None:
            yield
            return
        thread = threading.Thread(target=self._watch, name="rlaudio-time-limit", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._closed.set()
            thread.join()  # so that no late signal reaches the handler that comes back after the block
            faulthandler.cancel_dump_traceback_later()

    def run(self, call: Call, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the function returns, or TimeUp where the time was over before that."""
        with self._lock:
            self._call, self._since = call, time.monotonic()
        inside = is_limited()
        try:
            with one_process(call):
                self._in_code = True
                if self.seconds is None:
                    return function(*arguments)
                _limited.add(self._caller)
                return _named(str(call))(function, arguments)
        finally:
            self._in_code = False  # from here on the handler raises no more
            if not inside:
                _limited.discard(self._caller)
            with self._lock:
                self._call = None
            while self._taken_over:  # the other thread ends the process
                time.sleep(1.0)
            if self.expired:  # also where the code caught it and returned something
                raise TimeUp

    def answer_signal(self) -> bool:
        """Called in the handler of SIGINT: ends the call if the signal came from here."""
        if self.expired is None:
            return False
        if self._in_code:
            raise TimeUp
        return True  # the call has just ended

    def _watch(self) -> None:
        assert self.seconds is not None
        left = self.seconds
        while True:
            self._set_timer()
            if self._closed.wait(left):
                return
            with self._lock:
                call = self._call
                left = self._since + self.seconds - time.monotonic() if call else self.seconds
                if call is not None and left <= 0:
                    self.place = place_of(sys._current_frames().get(self._caller), call.file)
                    self.expired = call
                    break
        self._end(call)

    def _end(self, call: Call) -> None:
        until = time.monotonic() + GRACE
        while time.monotonic() < until:
            with self._lock:  # a call that has returned is not disturbed
                if self._call is not call:
                    return
                if self._can_poke:
                    signal.pthread_kill(self._caller, signal.SIGINT)
            if self._closed.wait(POKE_EVERY):
                return
        with self._lock:
            if self._call is not call:
                return
            self._taken_over = True
        if self._gpu is not None:
            torch.cuda.set_device(self._gpu)  # a setting of each thread
        faulthandler.cancel_dump_traceback_later()
        self._take_over(call, self.place)

    def _set_timer(self) -> None:
        """Any call that begins before this thread should run again gets its whole time."""
        assert self.seconds is not None
        faulthandler.dump_traceback_later(2 * self.seconds + 2 * GRACE, exit=True, file=_STDERR)


def place_of(frame: FrameType | None, file: str) -> str:
    """File and line of the innermost frame that is in the file, else of the innermost."""
    frames = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    chosen = next((f for f in frames if f.f_code.co_filename == file), frames[0] if frames else None)
    return f"{chosen.f_code.co_filename}:{chosen.f_lineno}" if chosen else "an unknown place"


def _run(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    return function(*arguments)


def _named(text: str) -> Callable[..., Any]:
    """`_run` with the text in the place of its file: so it stands in the traceback of faulthandler, which
    prints nothing else."""
    return FunctionType(_run.__code__.replace(co_filename=text), {})


def _late(call: Call, seconds: float | None, place: str) -> str:
    return (
        f"{call} did not return within {seconds:g} s (reward_timeout); it was at {place}; fix the file, or "
        "raise reward_timeout"
    )
