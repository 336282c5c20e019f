"""YAML files that are laid over each other, with the place of every value for messages and relative paths."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rlaudio.utils.bounded_reading import read_bytes
from rlaudio.utils.foreign_formats import HEAD, no_text
from rlaudio.utils.messages import dotted, shortened, shown
from rlaudio.utils.plain_yaml import DEEPEST, NotSupported, PlainLoader, line_of, reader_error_text

MAX_BYTES = 1_000_000  # of a file; the largest recipe that ships has 2,000
_WHOLE_NUMBERS = range(-(2**63), 2**63)  # what numpy, torch and safetensors can hold
_NO_SPACE = re.compile("(?:^[ ?-]*|: *)([^\\S \\t\\n\\r]|[\u200b\ufeff])")  # where YAML needs a space
_QUOTED_OR_COMMENT = re.compile(r"""(?:^|[ \t])#.*|"(?:[^"\\]|\\.)*"|'[^']*'""")
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

    @contextmanager
    def telling(self, keys: Keys) -> Iterator[Origin]:
        """The origin of an entry, which with its keys stands before what is raised about it."""
        origin = self.origin(keys)
        try:
            yield origin
        except (ValueError, OSError) as error:
            raise ValueError(f"{origin.where}: {dotted(keys)}: {error}") from error

    def by_prefix(self) -> dict[Keys, list[Keys]]:
        """Of every entry the keys of those within it and its own; linear, where one look for each is not."""
        within: dict[Keys, list[Keys]] = {}
        for entry in self.origins:
            for depth in range(len(entry) + 1):
                within.setdefault(entry[:depth], []).append(entry)
        return within

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

    def with_value(self, key: str, value: Any) -> Layer:
        """The layer with an entry of the outermost map, unless the value is None."""
        return self if value is None else Layer({**self.values, key: value}, self.origins)

    def renamed(self, keys: Keys, name: str) -> Layer:
        """The layer with another last key of an entry, which keeps its place."""
        if keys[-1] == name:
            return self
        *outer, old = keys

        def moved(entry: Keys) -> Keys:
            return (*outer, name, *entry[len(keys) :]) if entry[: len(keys)] == keys else entry

        holder = {name if key == old else key: value for key, value in self.at(*outer).values.items()}
        values = _with_value_at(self.values, outer, holder)
        return Layer(values, {moved(entry): origin for entry, origin in self.origins.items()})


def read_layer(path: Path, folder: Path) -> Layer:
    """The map in a YAML file whose relative paths are relative to `folder`.

    Raises ValueError with file and line, OSError.
    """
    return _parse(_text_of(path), str(path), folder)


def read_override(text: str, folder: Path) -> Layer:
    """The layer of one `a.b=value`, the value read as YAML. Raises ValueError."""
    name, equals, value = text.partition("=")
    keys = tuple(name.strip().split("."))
    where = f"-o {shortened(' '.join(text.split()), most=160)}"
    if not equals or not all(keys):
        raise ValueError(f"{where}: expected KEY=VALUE, such as -o optimizer.lr=2e-6")
    if len(keys) > DEEPEST:
        raise ValueError(f"{where}: {len(keys)} keys in each other; expected at most {DEEPEST}")
    inner = _parse(f"value: {value}", where, folder, keys)
    if len(inner.values) > 1:
        raise ValueError(f"{where}: the value has several lines; expected a single value")
    *outer, last = keys
    origins = {(last, *entry[1:]) if entry else (): origin for entry, origin in inner.origins.items()}
    return Layer({last: inner.values["value"]}, origins).below(*outer)


def refuse_twice(layers: Iterable[Layer]) -> None:
    """Raise ValueError where two of the layers, none of which is to lie over another, set one key."""
    leaves = [(*leaf, layer.origin(leaf[0]).where) for layer in layers for leaf in _leaves(layer.values)]
    known: dict[Keys, tuple[Any, str]] = {}
    for keys, value, where in sorted(leaves, key=lambda leaf: len(leaf[0])):
        for depth in range(1, len(keys) + 1):
            outer, at = known.get(keys[:depth], (None, ""))
            if at and (depth == len(keys) or not _may_go_on(outer, keys[depth])):
                raise ValueError(
                    f"{where}: {dotted(keys[:depth])} is set here and at {at}, so one of both values would "
                    "be dropped; delete one"
                )
        known[keys] = (value, where)


# --- helpers -------------------------------------------------------------------------------------


def _leaves(values: Mapping[Any, Any], above: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value


def _may_go_on(value: Any, key: Hashable) -> bool:
    """Whether a key may follow a value: options the name of a plug-in, anything what null has emptied."""
    return value is None or isinstance(value, dict) or (isinstance(value, str) and key != "use")


def _text_of(path: Path) -> str:
    content = read_bytes(path, MAX_BYTES, "YAML", "is it the path of a recipe?")
    if foreign := no_text(content[:HEAD]):
        raise ValueError(f"{path}: is {foreign.what}; expected YAML in UTF-8; {foreign.todo}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(f"{path}:{line}: not UTF-8 text; expected YAML; save the file as UTF-8") from error


def _parse(text: str, where: str, folder: Path, override: Keys = ()) -> Layer:
    """The layer in a file's text, or that in `value: ...` given for the keys of an override."""

    def place(mark: Any) -> str:
        return where if override else f"{where}:{mark.line + 1 if mark else 1}"

    def named(keys: Keys) -> str:
        return dotted((*override, *keys[1:]) if override else keys)

    origins: dict[Keys, Origin] = {}

    def build(keys: Keys, node: yaml.Node) -> Any:
        origins.setdefault(keys, Origin(place(node.start_mark), folder))
        if isinstance(node, yaml.MappingNode):
            values: dict[str, Any] = {}
            for key_node, value_node in node.value:
                key = key_node.value
                if problem := "a key must be a word" if not isinstance(key, str) else _no_text(key):
                    raise ValueError(f"{place(key_node.start_mark)}: {named((*keys, '?'))}: {problem}")
                here = (*keys, key)
                if key in values:
                    raise ValueError(f"{place(key_node.start_mark)}: {named(here)} is given twice")
                origins[here] = Origin(place(key_node.start_mark), folder)
                values[key] = build(here, value_node)
            return values
        if isinstance(node, yaml.SequenceNode):
            return [build((*keys, i), item) for i, item in enumerate(node.value)]
        try:
            return _scalar(loader, node)
        except ValueError as error:
            raise ValueError(f"{place(node.start_mark)}: {named(keys)}: {error}") from error

    try:
        loader = PlainLoader(text)
    except yaml.reader.ReaderError as error:
        at = where if override else f"{where}:{line_of(text, error)}"
        raise ValueError(f"{at}: not valid YAML: {reader_error_text(error)}") from error
    try:
        root = loader.get_single_node()
        if not isinstance(root, yaml.MappingNode):
            mark = root.start_mark if root else None
            raise ValueError(f"{place(mark)}: expected a map of KEY: VALUE lines")
        return Layer(build((), root), origins)
    except yaml.MarkedYAMLError as error:
        where = place(error.problem_mark or error.context_mark)
        if isinstance(error, NotSupported):
            keys = tuple(loader.keys[: DEEPEST // 10])
            raise ValueError(f"{where}: {named(keys)}: {error.problem}") from error
        advice = _about_spaces(text, error)
        raise ValueError(f"{where}: not valid YAML: {error.problem or error.context}{advice}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"{where}: not valid YAML: {error}") from error
    finally:
        loader.dispose()


def _about_spaces(text: str, error: yaml.MarkedYAMLError) -> str:
    """What to do about a tab, or a space that is none to YAML, in a line of the error; empty without one."""
    if "'\\t'" in str(error.problem):
        return "; write spaces"
    lines = re.split(r"\r\n?|\n", text)
    for number in sorted({mark.line for mark in (error.context_mark, error.problem_mark) if mark}):
        line = lines[number] if number < len(lines) else ""  # the end of a file has a place too
        if sign := _NO_SPACE.search(_QUOTED_OR_COMMENT.sub("''", line)):
            return f"; U+{ord(sign[1]):04X} in line {number + 1} is no space to YAML; write a space"
    return ""


def _scalar(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    """The text, number, bool or None of a node. Raises ValueError."""
    kind, text = node.tag.rpartition(":")[2], node.value
    if kind in ("int", "float") and (":" in text or re.fullmatch(r"[-+]?0[0-7_]+", text)):
        raise ValueError(f"{text} is to YAML a number to base 60 or 8; write it decimal, or in quotes")
    if kind == "int" and len(text) > 100:
        raise ValueError(f"a number of {len(text):,} digits; expected one of 64 bits")
    value = loader.construct_object(node)
    if kind == "int" and value not in _WHOLE_NUMBERS:
        raise ValueError(f"{value} does not fit into 64 bits; expected a smaller number")
    if isinstance(value, str) and (problem := _no_text(value)):
        raise ValueError(problem)
    return value


def _no_text(value: str) -> str | None:
    """What is wrong with a string that no file could hold as text."""
    odd = re.search("[\0\ud800-\udfff]", value)
    return f"{shown(value)} holds U+{ord(odd.group()):04X}, which is no text" if odd else None


def _with_value_at(values: Mapping[Any, Any], keys: Sequence[Hashable], value: Any) -> Any:
    """The values with another one at these keys; the argument does not change."""
    if not keys:
        return value
    first, *others = keys
    return {**values, first: _with_value_at(values[first], others, value)}
