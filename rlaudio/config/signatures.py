"""The public name and options of a plug-in, read from its source text: the file is parsed, not imported.

So `rlaudio list`, `show` and the first check of a recipe take milliseconds, whichever heavy libraries the
plug-ins need.
"""

from __future__ import annotations

import ast
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_NAMES: dict[str, Any] = {  # names in annotations that are resolved without importing the file
    "__builtins__": {},
    **{t.__name__: t for t in (bool, bytes, dict, float, frozenset, int, list, object, set, str, tuple)},
    **{name: getattr(typing, name) for name in ("Annotated", "Any", "Literal", "Optional", "Union")},
    "Callable": Callable,
    "Mapping": Mapping,
    "Path": Path,
    "Sequence": Sequence,
}


@dataclass(frozen=True)
class Option:
    """One keyword-only parameter or field of a plug-in, as in its source text."""

    name: str
    annotation: str  # "" where there is none
    default: str | None  # None: the option must be given
    type: Any = Any  # Any where it cannot be resolved without an import

    @property
    def required(self) -> bool:
        """Whether the option has no default."""
        return self.default is None

    @property
    def has_literal_default(self) -> bool:
        """Whether the default is a literal in the source text."""
        try:
            self.default_value()
        except (ValueError, SyntaxError):
            return False
        return True

    def default_value(self) -> Any:
        """The default, a literal in the source. Raises ValueError if it is not one, SyntaxError if none."""
        return ast.literal_eval(self.default or "")

    def __str__(self) -> str:
        annotation = f": {self.annotation}" if self.annotation else ""
        return f"{self.name}{annotation}" + ("" if self.default is None else f" = {self.default}")


@dataclass(frozen=True)
class Signature:
    """The public name of a plug-in file, its positional parameters, and the options a recipe may set."""

    name: str  # the function or class
    summary: str  # first line of the file's docstring, else of the public name's
    given: tuple[str, ...]  # positional parameters
    options: tuple[Option, ...]


def read_signature(path: Path) -> Signature | None:
    """The signature of the plug-in at `path`; None where no public name equals the file's name.

    Case and underscores do not count: `cot_length.py` may hold `cot_length` or `CotLength`. A folder's
    `__init__.py` is named by the folder. Raises ValueError with file and line on a syntax error.
    """
    module = _parse(path)
    stem = path.parent.name if path.stem == "__init__" else path.stem
    for node in module.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if _plain(node.name) != _plain(stem) or _is_protocol(node):
            continue
        aliases = _aliases(module)
        given, options = _class_parameters(node) if isinstance(node, ast.ClassDef) else _parameters(node)
        summary = ast.get_docstring(module) or ast.get_docstring(node) or ""
        return Signature(
            name=node.name,
            summary=summary.partition("\n")[0],
            given=given,
            options=tuple(
                Option(name, annotation, default, _light_type(annotation, aliases))
                for name, annotation, default in options
            ),
        )
    return None


def type_of(annotation: str, names: Mapping[str, Any]) -> Any:
    """The type that an annotation's text means where `names` are known. Raises NameError."""
    if not annotation:
        return Any
    holder = type("Holder", (), {"__annotations__": {"value": annotation}})
    return typing.get_type_hints(holder, globalns=dict(names), include_extras=True)["value"]


# --- helpers -------------------------------------------------------------------------------------

_Parameter = tuple[str, str, str | None]  # name, annotation, default


def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except SyntaxError as error:
        raise ValueError(f"{path}:{error.lineno}: syntax error: {error.msg}; fix the file") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 text; expected Python source") from error


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _text(node: ast.expr | None) -> str:
    return "" if node is None else ast.unparse(node)


def _is_protocol(node: ast.stmt) -> bool:
    return isinstance(node, ast.ClassDef) and any(_text(b).startswith("Protocol") for b in node.bases)


def _parameters(
    node: ast.FunctionDef | ast.AsyncFunctionDef, skip: int = 0
) -> tuple[tuple[str, ...], list[_Parameter]]:
    given = tuple(a.arg for a in (*node.args.posonlyargs, *node.args.args))[skip:]
    pairs = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    return given, [(a.arg, _text(a.annotation), _text(d) if d else None) for a, d in pairs]


def _class_parameters(node: ast.ClassDef) -> tuple[tuple[str, ...], list[_Parameter]]:
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            return _parameters(item, skip=1)
    decorators = [_text(d) for d in node.decorator_list if "dataclass" in _text(d)]
    if not decorators:
        return (), []
    fields = list(_fields(node))
    if any("kw_only=True" in d for d in decorators):
        return (), fields
    return tuple(name for name, _, _ in fields), []


def _fields(node: ast.ClassDef) -> Iterator[_Parameter]:
    for item in node.body:
        if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name):
            continue
        annotation = _text(item.annotation)
        if annotation.startswith("ClassVar"):
            continue
        default = item.value
        if isinstance(default, ast.Call) and _text(default.func) == "field":
            arguments = {k.arg: k.value for k in default.keywords}
            if "init" in arguments and _text(arguments["init"]) == "False":
                continue
            factory = arguments.get("default_factory")
            default = arguments.get("default") or (ast.Call(factory, [], []) if factory else None)
        yield item.target.id, annotation, _text(default) if default else None


def _aliases(module: ast.Module) -> dict[str, Any]:
    """Type aliases in the file, as in `Mode = Literal["exact", "robust"]`."""
    names = dict(_NAMES)
    for node in module.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript | ast.BinOp):
            alias = _light_type(_text(node.value), names)
            if alias is not Any:
                names |= {_text(target): alias for target in node.targets}
    return names


def _light_type(annotation: str, names: Mapping[str, Any]) -> Any:
    try:
        return type_of(annotation, names)
    except (NameError, TypeError, AttributeError):
        return Any
