"""YAML files laid over each other, with the place of every value kept for messages and relative paths.

Maps merge, everything else replaces. The caller says where null removes an entry; nothing here is about
recipes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rlaudio.utils.plain_yaml import PlainLoader

Keys = tuple[Hashable, ...]


@dataclass(frozen=True)
class Origin:
    """Where a value was written."""

    where: str  # "recipes/mine.yaml:12" or "-o optimizer.lr=1e-6"
    folder: Path  # what relative paths in the value are relative to


@dataclass(frozen=True)
class Layer:
    """A map of maps and the origin of every entry by its keys; `()` is the whole."""

    values: dict[str, Any]
    origins: dict[Keys, Origin]

    def origin(self, keys: Keys) -> Origin:
        """The origin of an entry, or of the closest entry around it."""
        while keys not in self.origins:
            keys = keys[:-1]
        return self.origins[keys]

    def at(self, *keys: Hashable) -> Layer:
        """The map at these keys as a layer; empty where the value is null."""
        values: Any = self.values
        for key in keys:
            values = values[key]
        depth = len(keys)
        inside = {entry[depth:]: origin for entry, origin in self.origins.items() if entry[:depth] == keys}
        return Layer(values or {}, {(): self.origin(keys), **inside})

    def below(self, *keys: Hashable) -> Layer:
        """The layer as the value of a nested map's keys."""
        values: Any = self.values
        origins = {(*keys, *entry): origin for entry, origin in self.origins.items()}
        for depth in range(len(keys)):
            origins[keys[:depth]] = self.origin(())
        for key in reversed(keys):
            values = {key: values}
        return Layer(values, origins)

    def without(self, key: str) -> Layer:
        """The layer without one entry of the outermost map."""
        return Layer({k: v for k, v in self.values.items() if k != key}, self.origins)


def read_layer(path: Path, folder: Path) -> Layer:
    """The map in a YAML file whose relative paths are relative to `folder`.

    Raises ValueError with file and line, FileNotFoundError.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 text; expected YAML") from error
    return _parse(text, str(path), folder, lines=True)


def read_override(text: str, folder: Path) -> Layer:
    """The layer of one `a.b=value`, the value read as YAML. Raises ValueError."""
    name, equals, value = text.partition("=")
    keys = tuple(name.strip().split("."))
    if not equals or not all(keys):
        raise ValueError(f"-o {text}: expected KEY=VALUE, such as -o optimizer.lr=2e-6")
    where = f"-o {text}"
    inner = _parse(f"value: {value}", where, folder, lines=False)
    values: Any = inner.values["value"]
    origins = {(*keys, *entry[1:]): origin for entry, origin in inner.origins.items() if entry}
    for depth in range(len(keys)):
        origins[keys[:depth]] = Origin(where, folder)
    for key in reversed(keys):
        values = {key: values}
    return Layer(values, origins)


def lay_over(below: Layer, above: Layer, removes: Callable[[Keys], bool]) -> Layer:
    """`above` laid over `below`: maps merge, all else replaces; no argument changes.

    A map with another `use` than the one below replaces it whole: one plug-in's options do not apply to
    another. Where `removes(keys of a map)` is true, null removes the entry; ValueError if there is none.
    """
    origins = dict(below.origins)

    def merge(keys: Keys, low: dict[str, Any], high: dict[str, Any]) -> dict[str, Any]:
        merged = dict(low)
        origins[keys] = above.origin(keys) if not low else origins.get(keys, above.origin(keys))
        for key, value in high.items():
            here = (*keys, key)
            old = low.get(key)
            if value is None and removes(keys):
                if key not in low:
                    where = above.origin(here).where
                    raise ValueError(f"{where}: {_dotted(here)} is not there, so null cannot remove it")
                del merged[key]
                _forget(here)
            elif isinstance(value, dict) and isinstance(old, dict) and _same_plugin(key, old, value):
                merged[key] = merge(here, old, value)
            else:
                _forget(here)
                origins.update({k: o for k, o in above.origins.items() if k[: len(here)] == here})
                merged[key] = value
        return merged

    def _forget(keys: Keys) -> None:
        for known in [k for k in origins if k[: len(keys)] == keys]:
            del origins[known]

    return Layer(merge((), below.values, above.values), origins)


# --- helpers -------------------------------------------------------------------------------------


def _parse(text: str, where: str, folder: Path, *, lines: bool) -> Layer:
    def place(mark: yaml.Mark | None) -> str:
        return f"{where}:{mark.line + 1}" if lines and mark else where

    origins: dict[Keys, Origin] = {}

    def build(keys: Keys, node: yaml.Node) -> Any:
        origins.setdefault(keys, Origin(place(node.start_mark), folder))
        if isinstance(node, yaml.MappingNode):
            values: dict[str, Any] = {}
            for key_node, value_node in node.value:
                key = key_node.value
                if not isinstance(key, str):
                    raise ValueError(f"{place(key_node.start_mark)}: a key must be a word, found {key}")
                if key in values:
                    raise ValueError(f"{place(key_node.start_mark)}: {_dotted((*keys, key))} is given twice")
                origins[(*keys, key)] = Origin(place(key_node.start_mark), folder)
                values[key] = build((*keys, key), value_node)
            return values
        if isinstance(node, yaml.SequenceNode):
            return [build((*keys, i), item) for i, item in enumerate(node.value)]
        return loader.construct_object(node)

    loader = PlainLoader(text)
    try:
        root = loader.get_single_node()
        if not isinstance(root, yaml.MappingNode):
            raise ValueError(f"{where}: expected a map of KEY: VALUE lines")
        return Layer(build((), root), origins)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ValueError(f"{place(mark)}: not valid YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"{where}: not valid YAML: {error}") from error
    finally:
        loader.dispose()


def _same_plugin(key: str, below: dict[str, Any], above: dict[str, Any]) -> bool:
    return "use" not in above or above["use"] == below.get("use", key)


def _dotted(keys: Keys) -> str:
    return ".".join(map(str, keys))
