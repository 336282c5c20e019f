"""Results that a thread makes before they are needed, while this one computes something else."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from rlaudio.utils.threads import compute_alone

T = TypeVar("T")


class Ahead(Generic[T]):
    """The next result, begun by name in a thread of its own and taken later by the same name.

    Reading audio releases Python's lock, so a thread does it beside a model that trains. A result may be
    taken several times, until the next is begun.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "ahead", compute_alone)
        self._begun: dict[Hashable, Future[T]] = {}

    def begin(self, name: Hashable, make: Callable[[], T]) -> None:
        """Start to make the result `name`; one that was begun before is forgotten."""
        self.forget()
        self._begun = {name: self._thread.submit(make)}

    def forget(self) -> None:
        """Let go of what was begun; where it has not started it never will."""
        for future in self._begun.values():
            future.cancel()
        self._begun = {}

    def take(self, name: Hashable, make: Callable[[], T]) -> T:
        """The result `name`: what was begun, once it is done, else made now. Raises what `make` raises."""
        begun = self._begun.get(name)
        return begun.result() if begun else make()


def one_ahead(makers: Iterable[Callable[[], T]]) -> Iterator[T]:
    """What the makers give, in order; the next is made by a thread while the caller uses the one before."""
    with ThreadPoolExecutor(1, "ahead", compute_alone) as thread:
        waiting: Future[T] | None = None
        for make in makers:
            begun = thread.submit(make)
            if waiting:
                yield waiting.result()
            waiting = begun
        if waiting:
            yield waiting.result()
