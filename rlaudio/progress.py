"""A progress bar with rate and time left for whatever takes longer than two seconds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

from rlaudio import launcher

Item = TypeVar("Item")


def progress(iterable: Iterable[Item], total: int | None, label: str, unit: str) -> Iterable[Item]:
    """The items of `iterable`, with a bar on stderr; silent where stderr is no terminal.

    Of several processes the first alone shows one.
    """
    hidden = True if launcher.rank() else None  # None: where there is no terminal
    return tqdm(iterable, total=total, desc=label, unit=unit, delay=2.0, disable=hidden, dynamic_ncols=True)
