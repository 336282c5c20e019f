"""Where a recipe names plug-ins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rlaudio.config.layers import Keys, Layer, Origin
from rlaudio.config.shipped import NESTED
from rlaudio.utils.messages import dotted

PLUGINS: dict[Keys, str] = {
    ("model",): "model",
    ("data", "common"): "data",
    ("data", "train"): "data",
    ("data", "pretrain"): "corpus",
    ("curriculum",): "curriculum",
    ("algorithm",): "algorithm",
    ("rollout",): "rollout",
    ("scorer",): "scorer",
    ("evaluation", "scorer"): "scorer",
    ("contribution",): "contribution",
    ("contribution", "scorer"): "scorer",
}
PLUGIN_MAPS: dict[Keys, str] = {("data", "evaluate"): "data", ("rewards",): "reward"}


def plugin_places(values: dict[str, Any]) -> Iterator[tuple[Keys, dict[Any, Any], str]]:
    """Keys of every plug-in in the values, the map that holds it, and its kind."""
    for keys in (*PLUGINS, *PLUGIN_MAPS):
        owner = value_at(values, keys[:-1])
        if not isinstance(owner, dict) or keys[-1] not in owner:
            continue
        if keys in PLUGINS:
            yield from _with_nested(keys, owner, PLUGINS[keys])
        elif isinstance(owner[keys[-1]], dict):
            for name in owner[keys[-1]]:
                yield from _with_nested((*keys, name), owner[keys[-1]], PLUGIN_MAPS[keys])


def value_at(values: Any, keys: Keys) -> Any:
    """The value at these keys; None where there is none."""
    value = values
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _with_nested(keys: Keys, owner: dict[Any, Any], kind: str) -> Iterator[tuple[Keys, dict[Any, Any], str]]:
    """A plug-in's place, then those of its options that are plug-ins."""
    yield keys, owner, kind
    spec = owner[keys[-1]]  # now: whoever got the place may have put another value there
    for option, of_kind in NESTED.get(kind, {}).items():
        if isinstance(spec, dict) and spec.get(option) is not None:
            yield from _with_nested((*keys, option), spec, of_kind)


@contextmanager
def told_at(layer: Layer, keys: Keys) -> Iterator[Origin]:
    """The origin of an entry, which stands before what is raised about it."""
    origin = layer.origin(keys)
    try:
        yield origin
    except (ValueError, OSError) as error:
        raise ValueError(f"{origin.where}: {dotted(keys)}: {error}") from error
