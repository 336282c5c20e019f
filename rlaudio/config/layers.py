"""Layers of a recipe: where they name plug-ins, and what one laid over another gives."""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Any

from rlaudio.config.sections import ContributionSection
from rlaudio.config.shipped import NESTED
from rlaudio.utils.messages import dotted
from rlaudio.utils.yaml_layers import Keys, Layer

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

OF_NO_PLUGIN: dict[Keys, Set[str]] = {("contribution",): ContributionSection.model_fields.keys() - {"use"}}
"""Keys that stand beside `use` and are no options, so that they hold whatever it names."""


def lay_over(below: Layer, above: Layer) -> Layer:
    """`above` laid over `below`: maps merge, all else replaces; no argument changes.

    A map with another `use` than the one below replaces it: one plug-in's options do not apply to another.
    In a map of plug-ins null removes an entry, ValueError if there is none; for such a map, all of them.
    """
    origins, of_below, of_above = dict(below.origins), below.by_prefix(), above.by_prefix()

    def forget(keys: Keys) -> None:
        for entry in of_below.get(keys, ()):
            origins.pop(entry, None)

    def merge(keys: Keys, low: dict[str, Any], high: dict[str, Any]) -> dict[str, Any]:
        merged = dict(low)
        origins[keys] = above.origin(keys) if not low else origins.get(keys, above.origin(keys))
        for key, value in high.items():
            here, old = (*keys, key), low.get(key)
            if isinstance(value, dict) and isinstance(old, dict):
                same = "use" not in value or value["use"] == old.get("use", key)
                kept = {k: v for k, v in old.items() if same or k in OF_NO_PLUGIN.get(here, ())}
                for name in old.keys() - kept.keys():
                    forget((*here, name))
                merged[key] = merge(here, kept, value)
                continue
            forget(here)
            if value is None and keys in PLUGIN_MAPS:
                if key not in low:
                    where = above.origin(here).where
                    raise ValueError(f"{where}: {dotted(here)} is not there, so null cannot remove it")
                del merged[key]
                continue
            origins.update({entry: above.origins[entry] for entry in of_above.get(here, ())})
            merged[key] = {} if value is None and here in PLUGIN_MAPS else value
        return merged

    return Layer(merge((), below.values, above.values), origins)


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
