"""The public name and options of a plug-in, read from its source text: the file is parsed, not imported.

So `rlaudio list`, `show` and the first check of a recipe take milliseconds, whichever heavy libraries the
plug-ins need. Fields that a class inherits are read from the file of the base, if it stands in the same file
or is imported from rlaudio by `from ... import ...`.
"""

from __future__ import annotations

import ast
import functools
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
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
    for number, node in enumerate(module.body):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if _plain(node.name) != _plain(stem) or _is_protocol(node):
            continue
        if isinstance(node, ast.ClassDef):
            given, options = _class_parameters(_read_class(module.body, number))
        else:
            given, options = _parameters(node, _aliases(module.body))
        summary = ast.get_docstring(module) or ast.get_docstring(node) or ""
        return Signature(node.name, summary.partition("\n")[0], given, tuple(options))
    return None


def type_of(annotation: str, names: Mapping[str, Any]) -> Any:
    """The type that an annotation's text means where `names` are known. Raises NameError."""
    if not annotation:
        return Any
    holder = type("Holder", (), {"__annotations__": {"value": annotation}})
    return typing.get_type_hints(holder, globalns=dict(names), include_extras=True)["value"]


# --- helpers -------------------------------------------------------------------------------------


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
    node: ast.FunctionDef | ast.AsyncFunctionDef, names: Mapping[str, Any], skip: int = 0
) -> tuple[tuple[str, ...], list[Option]]:
    given = tuple(a.arg for a in (*node.args.posonlyargs, *node.args.args))[skip:]
    pairs = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    return given, [_option(a.arg, a.annotation, default, names) for a, default in pairs]


def _option(
    name: str, annotation: ast.expr | None, default: ast.expr | None, names: Mapping[str, Any]
) -> Option:
    text = _text(annotation)
    return Option(name, text, _text(default) if default else None, _light_type(text, names))


@dataclass(frozen=True)
class _Class:
    """A class in the text of a file."""

    node: ast.ClassDef
    names: Mapping[str, Any]  # types that its file names
    bases: tuple[_Class, ...]  # those that text can tell


def _read_class(body: Sequence[ast.stmt], number: int) -> _Class:
    """The class that is statement `number` of a file."""
    node = body[number]
    assert isinstance(node, ast.ClassDef)
    bases = (_find_class(_text(base), body[:number]) for base in node.bases)
    return _Class(node, _aliases(body), tuple(base for base in bases if base))


def _find_class(name: str, body: Sequence[ast.stmt]) -> _Class | None:
    """The class that a name means after these statements; None where only an import could tell."""
    for number, node in reversed(list(enumerate(body))):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _read_class(body, number)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rlaudio."):
            for alias in node.names:
                if name == (alias.asname or alias.name):
                    return _find_class(alias.name, _statements(str(node.module)))
    return None


@functools.lru_cache
def _statements(module: str) -> Sequence[ast.stmt]:
    """The source of a module of this package; nothing where there is none."""
    path = Path(str(files("rlaudio"))).joinpath(*module.split(".")[1:])
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return _parse(file).body if file.is_file() else ()


def _class_parameters(cls: _Class) -> tuple[tuple[str, ...], list[Option]]:
    """What a class takes: as its `__init__` has it, as a dataclass, or as the first base that says so."""
    for item in cls.node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            return _parameters(item, cls.names, skip=1)
    if not _is_dataclass(cls):
        return next(filter(any, map(_class_parameters, cls.bases)), ((), []))
    fields = _fields(cls).values()
    given = tuple(option.name for option, by_keyword in fields if not by_keyword)
    return given, [option for option, by_keyword in fields if by_keyword]


def _is_dataclass(cls: _Class, *, argument: str = "") -> bool:
    decorators = [_text(decorator) for decorator in cls.node.decorator_list]
    return any("dataclass" in decorator and argument in decorator for decorator in decorators)


def _fields(cls: _Class) -> dict[str, tuple[Option, bool]]:
    """Fields by name, those of bases first, and whether they are given by keyword only."""
    fields: dict[str, tuple[Option, bool]] = {}
    for base in reversed(cls.bases):
        fields |= _fields(base)
    if _is_dataclass(cls):  # a field that is defined again keeps its place
        by_keyword = _is_dataclass(cls, argument="kw_only=True")
        fields |= {option.name: (option, by_keyword) for option in _fields_added(cls.node, cls.names)}
    return fields


def _fields_added(node: ast.ClassDef, names: Mapping[str, Any]) -> Iterator[Option]:
    for item in node.body:
        if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name):
            continue
        if _text(item.annotation).startswith("ClassVar"):
            continue
        default = item.value
        if isinstance(default, ast.Call) and _text(default.func) == "field":
            arguments = {k.arg: k.value for k in default.keywords}
            if "init" in arguments and _text(arguments["init"]) == "False":
                continue
            factory = arguments.get("default_factory")
            default = arguments.get("default") or (ast.Call(factory, [], []) if factory else None)
        yield _option(item.target.id, item.annotation, default, names)


def _aliases(body: Sequence[ast.stmt]) -> dict[str, Any]:
    """Type aliases in the file, as in `Mode = Literal["exact", "robust"]`."""
    names = dict(_NAMES)
    for node in body:
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
