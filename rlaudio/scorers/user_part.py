"""A judge or an embedder of the user's file as scorers call it: within the time limit of scorers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rlaudio.utils.messages import shown
from rlaudio.utils.time_limit import in_time, is_limited


@dataclass(frozen=True)
class UserPart:
    """Raises TimeoutError where a call does not return within `seconds`; None: no limit.

    A class is made an object at the first call, which needs that time, too. No limit of its own holds inside
    a call that has one, and in other threads than the main one, whose calls cannot be ended.
    """

    kind: str  # "judge" or "embedder"
    file: str
    function: Callable[..., Any]
    is_class: bool
    seconds: float | None

    def __call__(self, *arguments: Any) -> Any:
        if is_limited() or threading.current_thread() is not threading.main_thread():
            return self._call(*arguments)
        return in_time(_PartCall(self, arguments), self.seconds, self._call, *arguments)

    def __str__(self) -> str:
        return f"{self.kind} {self.file}"

    def _call(self, *arguments: Any) -> Any:
        return self._called(*arguments)

    @cached_property
    def _called(self) -> Callable[..., Any]:
        made: Callable[..., Any] = self.function() if self.is_class else self.function
        return made


@dataclass(frozen=True)
class _PartCall:
    part: UserPart
    arguments: tuple[Any, ...]

    @property
    def file(self) -> str:
        return self.part.file

    def __str__(self) -> str:
        return f"{self.part}, for {shown(self.arguments)},"
