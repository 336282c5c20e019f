"""The servers that answer for one model, and which of them a request goes to."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rlaudio.utils.endpoint.failures import BadAnswer, NoAccess, Transient

AVOID_SECONDS = 30.0  # for which a server that failed is asked only where all others failed too
_FAULTS_OF_SERVERS = (Transient, NoAccess, BadAnswer)


class Servers:
    """Spreads requests over the URLs of equal servers; used by several threads."""

    def __init__(self, urls: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        self.urls = tuple(urls)
        self._clock = clock
        self._lock = threading.Lock()
        self._underway: Counter[str] = Counter()
        self._failed: dict[str, float] = {}  # when each failed, until it answers again

    @contextmanager
    def lend(self) -> Iterator[str]:
        """The URL of the server that works on the fewest requests, of those that have not failed lately."""
        with self._lock:
            url = min(self.urls, key=lambda url: (self._is_avoided(url), self._underway[url]))
            self._underway[url] += 1
        try:
            yield url
            with self._lock:
                self._failed.pop(url, None)
        except _FAULTS_OF_SERVERS:
            with self._lock:
                self._failed[url] = self._clock()
            raise
        finally:
            with self._lock:
                self._underway[url] -= 1

    def any_left(self) -> bool:
        """Whether there is one that has not failed lately."""
        with self._lock:
            return not all(map(self._is_avoided, self.urls))

    def _is_avoided(self, url: str) -> bool:
        """Whether it failed a short time ago, or has not answered the one request that tries it again."""
        if url not in self._failed:
            return False
        return self._clock() < self._failed[url] + AVOID_SECONDS or self._underway[url] > 0
