"""The types that annotations in source text mean: names are looked up in a table, nothing is evaluated.

A text that says more than the table knows, such as the name of a class of its file, is `Any` here; its option
is checked when the plug-in is imported to be called.
"""

from __future__ import annotations

import ast
import operator
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_MODULES = ("typing", "collections.abc", "pathlib")  # written before a name, as in `typing.Literal`
_NAMES: Mapping[str, Any] = {
    **{t.__name__: t for t in (bool, bytes, dict, float, frozenset, int, list, object, set, str, tuple)},
    **{"Any": Any, "Callable": Callable, "Mapping": Mapping, "Path": Path, "Sequence": Sequence},
}
_FORMS: Mapping[str, Any] = {"Optional": typing.Optional, "Union": typing.Union}  # with brackets only
_COUNTS = {"dict": 2, "Mapping": 2, "list": 1, "Sequence": 1, "set": 1, "frozenset": 1}  # types in brackets


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


def _type(node: ast.expr, aliases: Mapping[str, Any]) -> Any:
    """The type of an annotation. Raises LookupError for what nothing here tells."""
    match node:
        case ast.Constant(value=None):
            return None
        case ast.Constant(value=str(text)):
            return _type(ast.parse(text, mode="eval").body, aliases)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return typing.Union[_type(left, aliases), _type(right, aliases)]  # noqa: UP007  made at run time
        case ast.Subscript(value=base, slice=inside):
            parts = inside.elts if isinstance(inside, ast.Tuple) else [inside]
            return _with_brackets(_name(base), parts, aliases)
    return _named(_name(node), aliases)


def _named(name: str, aliases: Mapping[str, Any]) -> Any:
    """What a name means without brackets. Raises LookupError."""
    return aliases[name] if name in aliases else _NAMES[name]


def _name(node: ast.expr) -> str:
    """The name in the table of `Literal` or `typing.Literal`. Raises LookupError."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and ast.unparse(node.value) in _MODULES:
        return node.attr
    raise LookupError(ast.unparse(node))


def _with_brackets(name: str, parts: Sequence[ast.expr], aliases: Mapping[str, Any]) -> Any:
    if name == "Literal" and parts:
        return typing.Literal[tuple(map(_constant, parts))]
    if name == "Annotated":
        for part in parts[1:]:
            _constant(part)  # a bound that only an import could tell leaves the whole to the import
        return _type(parts[0], aliases)
    if name == "Callable":
        return Callable
    if _COUNTS.get(name, len(parts)) != len(parts):
        raise LookupError(f"{name} of {len(parts)}")
    read = _item if name == "tuple" else _type
    types = tuple(read(part, aliases) for part in parts)
    generic = _FORMS[name] if name in _FORMS else _named(name, aliases)
    return generic[types if len(types) != 1 else types[0]]


def _item(node: ast.expr, aliases: Mapping[str, Any]) -> Any:
    return ... if isinstance(node, ast.Constant) and node.value is ... else _type(node, aliases)


def _constant(node: ast.expr) -> Any:
    """The text, number, bool or None that a node is. Raises LookupError."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return operator.neg(_constant(node.operand))
    if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes | int | float | None):
        return node.value
    raise LookupError(ast.unparse(node))
