"""What rewards are handed: the records of a group, which they can read and not write into.

A reward that writes into token ids or log-probs would change what the policy learns from, and one that
writes into a question what all later steps see.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, NoReturn, TypeVar

import numpy as np

T = TypeVar("T")
_UNCHANGING = frozenset({str, int, float, bool, type(None)})  # most values, so they are asked for first


def read_only(value: T) -> T:
    """The record with read-only copies of its arrays, read-only mappings, and copies of its lists.

    Copies, because a tensor made of an array writes into its memory, read-only or not.
    """
    kind: Any = type(value)
    made: T = _way(kind)(value)
    return made


class ReadOnlyDict(dict[Any, Any]):
    """A dict that refuses to change; `dict(it)`, a deep copy or a pickle is an ordinary one.

    Not a mapping proxy: those have no JSON, no copy and no pickle, which rewards that ask a server need.
    """

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("a reward cannot change what it is given; change a copy: dict(...)")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


@functools.cache
def _way(kind: Any) -> Callable[[Any], Any]:
    """How values of this type are made read-only; looked up once, as a step has many values of few types."""
    if issubclass(kind, np.ndarray):
        return _copy
    if issubclass(kind, Mapping):
        return lambda value: ReadOnlyDict({key: read_only(entry) for key, entry in value.items()})
    if issubclass(kind, list):
        return lambda value: [read_only(entry) for entry in value]
    if kind is tuple:
        return _entries
    return _read_only_record if is_dataclass(kind) else lambda value: value


def _copy(array: np.ndarray) -> np.ndarray:
    copy = array.copy()
    copy.setflags(write=False)
    return copy.view()  # which cannot be made writable again, as what owns its memory can


def _entries(value: tuple[Any, ...]) -> tuple[Any, ...]:
    if not value or isinstance(value[0], str):  # not every piece of a text
        return value
    return tuple(read_only(entry) for entry in value)


def _read_only_record(record: Any) -> Any:
    kind: Any = type(record)
    twin = object.__new__(kind)
    for name in _fields(kind):
        value = getattr(record, name)
        object.__setattr__(twin, name, value if type(value) in _UNCHANGING else read_only(value))
    return twin


@functools.cache
def _fields(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))
