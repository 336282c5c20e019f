"""YAML as rlaudio reads and writes it: plain values, every one written where it is used.

A file may come from somebody else, so nothing in it can grow or run: there are no aliases, which let a few
lines stand for gigabytes, no objects, and no nesting deeper than any recipe needs.
"""

from __future__ import annotations

from typing import Any

import yaml

DEEPEST = 50  # maps and lists in each other


class PlainLoader(yaml.SafeLoader):
    """Safe YAML without aliases and without deep nesting. Raises yaml.MarkedYAMLError with the place."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        mark = self.peek_event().start_mark
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not supported", mark)
        if self._depth == DEEPEST:
            raise yaml.composer.ComposerError(None, None, f"nested more than {DEEPEST} deep", mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """As in YAML 1.1; what looks like a number or date and is none is an error with its place."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:
            text = f"{str(node.value)[:40]!r} cannot be read: {error}"
            raise yaml.constructor.ConstructorError(None, None, text, node.start_mark) from error


def parse_plain_yaml(text: str, where: str) -> Any:
    """The value of a YAML text; `where` names it in messages. Raises ValueError with the line."""
    try:
        return yaml.load(text, PlainLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise ValueError(f"{where}{line}: not valid YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"{where}: not valid YAML: {error}") from error


def plain_yaml(value: Any) -> str:
    """A value of maps, lists and scalars as YAML that `parse_plain_yaml` reads back."""
    return yaml.dump(value, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=110)


class _PlainDumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True
