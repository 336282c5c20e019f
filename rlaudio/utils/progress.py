"""Progress of a loop: a bar with rate and time left on a terminal or in a notebook, plain lines in a log."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

from tqdm import TqdmWarning
from tqdm import tqdm as text_tqdm

from rlaudio.utils import launcher
from rlaudio.utils.contention import WATCH
from rlaudio.utils.number_format import counted, thousands
from rlaudio.utils.shared_cores import CORES

Item = TypeVar("Item")

LINES = 10  # of one loop in a log, at most: the first before it, the last after it
NOTEBOOK_DELAY = 0.5  # seconds; a shorter loop shows no bar
SECONDS_BETWEEN_LINES = 5.0  # a shorter loop gets the first and the last line only


def progress(
    iterable: Iterable[Item],
    total: int | None,
    label: str,
    unit: str,
    *,
    done: int = 0,
    numbers: Callable[[], str] = str,
) -> Iterable[Item]:
    """The items of `iterable`, with a bar in a notebook or on stderr; plain lines where it is no terminal.

    `done` of the `total` were done before, by a run that is resumed. `numbers` gives what stands behind the
    bar or a line, such as a loss. Of several processes the first alone shows anything.
    """
    iterable = CORES.over(iterable)
    if launcher.rank():
        return iterable
    iterable = WATCH.over(iterable)
    bar = partial(_bar, iterable, desc=label, unit=unit, total=total, initial=done)
    if _in_a_notebook():
        return _with_numbers(bar(delay=NOTEBOOK_DELAY), numbers)
    if _stderr_is_a_terminal():
        return _with_numbers(bar(delay=2.0, dynamic_ncols=True), numbers)
    return with_lines(iterable, total, label, unit, done=done, numbers=numbers)


def with_lines(
    iterable: Iterable[Item],
    total: int | None,
    label: str,
    unit: str,
    seconds: Callable[[], float] = time.monotonic,
    *,
    done: int = 0,
    numbers: Callable[[], str] = str,
) -> Iterator[Item]:
    """The items of `iterable`, with a line on stderr before the first and up to nine later.

    Where `total` is not known there is a line before and one after. `seconds` is the clock; `done` and
    `numbers` are those of `progress`.
    """
    started = last_line = seconds()
    before = f", {thousands(done)} of them done before" if done else ""
    _say(f"{label}: begins" if total is None else f"{label}: {counted(total, unit)}{before}")
    rest = (total or 0) - done
    due = {done + rest * part // (LINES - 1) for part in range(1, LINES)} if rest > 0 else set()
    for item in iterable:
        yield item
        done += 1
        now = seconds()
        if done in due and (done == total or now - last_line >= SECONDS_BETWEEN_LINES):
            line = f"{label}: {thousands(done)} of {counted(total or done, unit)}, {now - started:.0f} s"
            _say("; ".join(filter(None, [line, numbers()])))
            last_line = now
    if total is None:
        _say(f"{label}: {counted(done, unit)}, {seconds() - started:.0f} s")


def _with_numbers(bar: Any, numbers: Callable[[], str]) -> Iterator[Any]:
    """The items of a bar, which shows the numbers when it is drawn next."""
    for item in bar:
        yield item
        if text := numbers():
            bar.set_postfix_str(text, refresh=False)


def _bar(iterable: Iterable[Item], **options: Any) -> Any:
    """A bar of the notebook where there are widgets for one, else of text; without colour under NO_COLOR."""
    if os.environ.get("NO_COLOR"):
        return text_tqdm(iterable, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmWarning)  # that there are no widgets
        from tqdm.auto import tqdm
    return tqdm(iterable, **options)


def _in_a_notebook() -> bool:
    """Whether a kernel of Jupyter runs this, whose stderr is no terminal and shows a bar all the same."""
    if "ipykernel.zmqshell" not in sys.modules:
        return False
    shell = sys.modules["IPython"].get_ipython()
    return isinstance(shell, sys.modules["ipykernel.zmqshell"].ZMQInteractiveShell)


def _stderr_is_a_terminal() -> bool:
    """Whether a bar can be drawn; it cannot on a terminal of width 0, which some are."""
    if not sys.stderr.isatty():
        return False
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns > 0
    except OSError:
        return False


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
