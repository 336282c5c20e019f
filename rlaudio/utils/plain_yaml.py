"""YAML as rlaudio reads and writes it: plain values, every one written where it is used.

A file may come from somebody else, so nothing in it can grow or run: there are no aliases, which let a few
lines stand for gigabytes, no tags, dates or objects, and no nesting deeper than any recipe needs.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

LINE_BREAK = re.compile("[\u0085\u2028\u2029]")  # to YAML, while editors and people see one line
DEEPEST = 50  # maps and lists in each other; Python ends at about 1000 calls, and writers recurse


class PlainLoader(yaml.SafeLoader):
    """Safe YAML of plain values: no aliases, tags, dates or deep nesting.

    Raises yaml.MarkedYAMLError with the place, yaml.reader.ReaderError for a sign that cannot stand in text.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str):
        if sign := LINE_BREAK.search(text):
            raise yaml.reader.ReaderError(None, sign.start(), ord(sign[0]), "utf-8", "a line break to YAML")
        super().__init__(text)
        self.keys: list[Hashable] = []  # of the value that is being read

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """As in YAML 1.1; what is not supported is an error with its place."""
        if parent is not None:
            self.keys.append("?" if index is None else getattr(index, "value", index))
        self._refuse(self.peek_event())
        node = super().compose_node(parent, index)
        if parent is not None:
            self.keys.pop()
        return node

    def fetch_more_tokens(self) -> None:
        """As in YAML 1.1; an escape that is no character, and a number that is too long, have their place."""
        try:
            super().fetch_more_tokens()
        except (ValueError, OverflowError) as error:
            text = f"cannot be read: {error}"
            if self.buffer[self.pointer - 1 : self.pointer] == "U":
                text = f"\\U{self.prefix(8)} is no character; expected \\U00000000 to \\U0010FFFF"
            raise yaml.scanner.ScannerError(None, None, text, self.get_mark()) from error

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """As in YAML 1.1; what looks like a number and is none is an error with its place."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:
            text = f"{str(node.value)[:40]!r} cannot be read: {error}"
            raise yaml.constructor.ConstructorError(None, None, text, node.start_mark) from error

    def _refuse(self, event: Any) -> None:
        problem = None
        if isinstance(event, yaml.AliasEvent):
            problem = "aliases (*name) are not supported"
        elif getattr(event, "tag", None):
            problem = f"tags ({event.tag}) are not supported; write the value alone"
        elif len(self.keys) > DEEPEST:
            problem = f"more than {DEEPEST} maps and lists in each other"
        if problem:
            raise NotSupported(problem=problem, problem_mark=event.start_mark)


class NotSupported(yaml.MarkedYAMLError):
    """Valid YAML of a kind that is not read here."""


def parse_plain_yaml(text: str, where: str) -> Any:
    """The value of a YAML text; `where` names it in messages. Raises ValueError with the line."""
    try:
        return yaml.load(text, PlainLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise ValueError(f"{where}{line}: not valid YAML: {error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        raise ValueError(
            f"{where}, line {line_of(text, error)}: not valid YAML: {reader_error_text(error)}"
        ) from error
    except yaml.YAMLError as error:
        raise ValueError(f"{where}: not valid YAML: {error}") from error


def line_of(text: str, error: yaml.reader.ReaderError) -> int:
    """The line, from 1, of a sign that cannot stand in YAML."""
    return 1 + text.count("\n", 0, error.position)


def reader_error_text(error: yaml.reader.ReaderError) -> str:
    """Which sign cannot stand in YAML, and what to do."""
    code = ord(error.character) if isinstance(error.character, str) else error.character
    return f"the sign U+{code:04X} cannot stand in text; delete it"


def plain_yaml(value: Any) -> str:
    """A value of maps, lists and scalars as YAML that `parse_plain_yaml` reads back."""
    return yaml.dump(value, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=110)


class _PlainDumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """As in YAML 1.1; what it takes for line breaks is written by escapes."""
        style = '"' if LINE_BREAK.search(data) else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_PlainDumper.add_representer(str, _PlainDumper.represent_str)
