"""The servers that answer for one model, and which of them a request goes to."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rlaudio.utils.endpoint.failures import Transient

AVOID_SECONDS = 30.0  # for which a server that failed is asked only if all others failed too


class Servers:
    """Spreads requests over the URLs of equal servers; used by several threads."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.urls = tuple(urls)
        self._lock = threading.Lock()
        self._underway: Counter[str] = Counter()
        self._failed: dict[str, float] = {}  # when each last failed, by the monotonic clock

    @contextmanager
    def next(self) -> Iterator[str]:
        """The URL of the server that works on the fewest requests, of those that have not failed lately."""
        with self._lock:
            url = min(self.urls, key=lambda url: (self._avoided(url), self._underway[url]))
            self._underway[url] += 1
        try:
            yield url
            self._failed.pop(url, None)
        except Transient:
            self._failed[url] = time.monotonic()
            raise
        finally:
            with self._lock:
                self._underway[url] -= 1

    def _avoided(self, url: str) -> bool:
        return time.monotonic() < self._failed.get(url, float("-inf")) + AVOID_SECONDS
