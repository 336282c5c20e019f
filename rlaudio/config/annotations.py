"""The types that annotations in source text mean: names are looked up in a table, nothing is evaluated.

A text that says more than the table knows, such as the name of a class of its file, is `Any` here; its option
is checked when the plug-in is imported to be called.
"""

from __future__ import annotations

import ast
import functools
import operator
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_MODULES = ("typing", "collections.abc", "pathlib")  # written before a name, as in `typing.Literal`
_TYPES: Mapping[str, Any] = {
    **{t.__name__: t for t in (bool, bytes, dict, float, frozenset, int, list, object, set, str, tuple)},
    **{name: getattr(typing, name) for name in ("Annotated", "Any", "Literal", "Optional", "Union")},
    "Callable": Callable,
    "Mapping": Mapping,
    "Path": Path,
    "Sequence": Sequence,
}
_COUNTS: Mapping[str, int | None] = {  # of types in brackets after a name; None: any number
    "Optional": 1, "Union": None, "dict": 2, "Mapping": 2, "list": 1, "Sequence": 1, "set": 1, "frozenset": 1,
}  # fmt: skip


def read_annotation(annotation: ast.expr | None, aliases: Mapping[str, Any]) -> Any:
    """The type that an annotation means, `Any` where the table and `aliases` do not tell."""
    try:
        return Any if annotation is None else _type(annotation, aliases)
    except (LookupError, TypeError, ValueError, SyntaxError):
        return Any


def read_aliases(body: Sequence[ast.stmt]) -> Mapping[str, Any]:
    """Type aliases in a file, as in `Mode = Literal["exact", "robust"]`."""
    aliases: dict[str, Any] = {}
    for node in body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript | ast.BinOp):
            alias = read_annotation(node.value, aliases)
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if alias is not Any:
                aliases |= dict.fromkeys(names, alias)
    return aliases


# --- helpers -------------------------------------------------------------------------------------


# Types are made at run time here, so unions are written as calls: `|` and `X | None` are for annotations.
# ruff: noqa: UP007, UP045


def _type(node: ast.expr, aliases: Mapping[str, Any]) -> Any:
    """The type of an annotation. Raises LookupError for what the table does not know."""
    match node:
        case ast.Constant(value=None):
            return None
        case ast.Constant(value=str(text)):
            return _type(ast.parse(text, mode="eval").body, aliases)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return typing.Union[_type(left, aliases), _type(right, aliases)]
        case ast.Subscript(value=base, slice=inside):
            return _with_brackets(_name(base), inside, aliases)
        case ast.Name(id=name) if name in aliases:
            return aliases[name]
    name = _name(node)
    if name in ("Annotated", "Literal", "Optional", "Union"):
        raise LookupError(f"{name} without brackets")
    return _TYPES[name]


def _name(node: ast.expr) -> str:
    """The name in the table of `Literal` or `typing.Literal`. Raises LookupError."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and ast.unparse(node.value) in _MODULES:
        return node.attr
    raise LookupError(ast.unparse(node))


def _with_brackets(name: str, inside: ast.expr, aliases: Mapping[str, Any]) -> Any:
    parts = inside.elts if isinstance(inside, ast.Tuple) else [inside]
    if name == "Literal" and parts:
        return typing.Literal[tuple(_constant(part) for part in parts)]
    if name == "Annotated":
        for part in parts[1:]:
            _constant(part)  # a bound that only an import could tell leaves the whole to the import
        return _type(parts[0], aliases)
    if name == "Callable":
        return Callable
    if name == "tuple":
        return tuple[tuple(_item(part, aliases) for part in parts)]  # type: ignore[misc]  # a type made at run time
    count = _COUNTS[name]
    if count not in (None, len(parts)):
        raise LookupError(f"{name} of {len(parts)}")
    types = tuple(_type(part, aliases) for part in parts)
    if name == "Optional":
        return typing.Optional[types[0]]
    if name == "Union":
        return functools.reduce(lambda left, right: typing.Union[left, right], types)
    return _TYPES[name][types if count == 2 else types[0]]


def _item(node: ast.expr, aliases: Mapping[str, Any]) -> Any:
    return ... if isinstance(node, ast.Constant) and node.value is ... else _type(node, aliases)


def _constant(node: ast.expr) -> Any:
    """The text, number, bool or None that a node is. Raises LookupError."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return operator.neg(_constant(node.operand))
    if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes | int | float | None):
        return node.value
    raise LookupError(ast.unparse(node))
