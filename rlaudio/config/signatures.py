"""The public name and options of a plug-in, read from its source text: the file is parsed, not imported.

So `rlaudio list`, `show` and the first check of a recipe take milliseconds, whichever heavy libraries the
plug-ins need, and nothing in the file runs. Fields that a class inherits, and defaults that are names of
literals, are read where they stand: in the same file, or in that of rlaudio that `from ... import ...` names.
"""

from __future__ import annotations

import ast
import functools
import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeGuard

from rlaudio.config.annotations import read_aliases, read_annotation
from rlaudio.utils.bounded_reading import read_bytes
from rlaudio.utils.foreign_formats import HEAD, no_text
from rlaudio.utils.messages import shown

MAX_BYTES = 4_000_000  # of a plug-in's file; nobody writes more, and parsing takes 100 times the memory
_PACKAGE = Path(__file__).parents[1]
_USED_WITH = "USED_WITH"  # name of a literal in a plug-in's file
_NO_LITERAL = (ValueError, SyntaxError, TypeError, RecursionError, MemoryError)

UsedWith = Mapping[str, Mapping[str, Sequence[Any]]]
"""By option: the values that others must have one of, else it changes nothing."""

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


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
    used_with: UsedWith = field(default_factory=dict)

    @property
    def defaults(self) -> dict[str, Any]:
        """The defaults that are literals in the source text, by option."""
        defaults = {}
        for option in self.options:
            with suppress(*_NO_LITERAL):
                defaults[option.name] = ast.literal_eval(option.default or "")
        return defaults


def read_signature(path: Path) -> Signature | None:
    """The signature of the plug-in at `path`; None where no public name equals the file's name.

    Case and underscores do not count: `cot_length.py` may hold `cot_length` or `CotLength`. A folder's
    `__init__.py` is named by the folder. Raises ValueError with file and line on a syntax error, with the
    file where its USED_WITH is no literal of such a shape or names an option that it has not.
    """
    return _signature(path, _content(path))


@functools.lru_cache(maxsize=256)
def _signature(path: Path, content: bytes) -> Signature | None:
    """The same of a file with this content: a recipe may name it thousands of times."""
    try:
        module = _parsed(path, content)
        definition = _named(path.parent.name if path.stem == "__init__" else path.stem, module.body)
        if definition is None:
            return None
        given, options = _parameters(definition)
        names = definition.names
        used_with = _used_with(path, names.get(_USED_WITH), options) if _USED_WITH in names else {}
    except (RecursionError, MemoryError) as error:
        raise ValueError(f"{path}: nested too deeply to be parsed; expected Python source") from error
    node = definition.node
    assert isinstance(node, FunctionNode | ast.ClassDef)
    summary = ast.get_docstring(module) or ast.get_docstring(node) or ""
    return Signature(node.name, summary.partition("\n")[0], given, tuple(options), used_with)


def parse_source(path: Path) -> ast.Module:
    """The parsed source text of a plug-in. Raises ValueError with file and line for what is none."""
    return _parsed(path, _content(path))


def _content(path: Path) -> bytes:
    return read_bytes(path, MAX_BYTES, "Python source", "is it the path of a plug-in?")


def _parsed(path: Path, content: bytes) -> ast.Module:
    try:  # bytes, since Python reads a file's mark and encoding itself, as when it imports the file
        return ast.parse(content, filename=str(path))
    except (SyntaxError, ValueError) as error:
        raise ValueError(_not_parsed(path, content, error)) from error


def _not_parsed(path: Path, content: bytes, error: SyntaxError | ValueError) -> str:
    """What makes a file no Python source, and where."""
    if foreign := no_text(content[:HEAD]):
        return f"{path}: is {foreign.what}; expected Python source in UTF-8; {foreign.todo}"
    if (at := content.find(b"\0")) >= 0:
        line = content.count(b"\n", 0, at) + 1
        return f"{path}:{line}: holds a null byte; expected Python source; fix the file"
    if not isinstance(error, SyntaxError):
        return f"{path}: {error}; expected Python source"
    line_of_it = f":{error.lineno}" if error.lineno else ""
    return f"{path}{line_of_it}: syntax error: {error.msg}; fix the file"


def text_of(node: ast.expr | None) -> str:
    """The source text of an expression; "" for none."""
    try:
        return "" if node is None else ast.unparse(node)
    except ValueError:  # a number that is too long for Python to print, as no option is
        return "<number>"


# --- what names mean -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Statement:
    """A statement of a file, or of a class in it."""

    node: ast.stmt
    number: int
    names: _Names  # of all statements beside it

    def before(self, name: str) -> Any:
        """What a name means where the statement begins."""
        return self.names.get(name, self.number)

    @functools.cached_property
    def parameters(self) -> tuple[tuple[str, ...], list[Option]]:
        """See `_parameters`; kept, since a base may be one of many classes."""
        return _parameters(self)

    @functools.cached_property
    def fields(self) -> dict[str, tuple[Option, bool]]:
        """See `_fields`."""
        return _fields(self)

    @property
    def inner(self) -> Iterator[_Statement]:
        """The statements of a class."""
        body = self.node.body if isinstance(self.node, ast.ClassDef) else []
        names = _Names(body, self.names.aliases, self)
        return (_Statement(node, number, names) for number, node in enumerate(body))


@dataclass(frozen=True)
class _Imported:
    """A name of another module of this package."""

    module: str
    name: str


class _Names:
    """What each name means before each statement of a file, or of the class `outer`, read in one pass.

    A meaning is a _Statement, an _Imported, an expression, or None where text cannot tell.
    """

    def __init__(
        self, body: Sequence[ast.stmt], aliases: Mapping[str, Any], outer: _Statement | None = None
    ) -> None:
        self.aliases = aliases  # of types, in the file
        self._outer = outer
        self._bound: dict[str, list[tuple[int, Any]]] = {}  # meanings by name, from statement number on
        for number, node in enumerate(body):
            for name, meaning in _bound_by(node, number, self).items():
                self._bound.setdefault(name, []).append((number, meaning))

    def __contains__(self, name: str) -> bool:
        return name in self._bound

    def get(self, name: str, before: float = math.inf) -> Any:
        """What a name means before the statement of that number."""
        either = (self._bound.get(key, []) for key in (name, "*"))  # * may bind any name
        last = [bound[at - 1] for bound in either if (at := bisect_left(bound, before, key=itemgetter(0)))]
        if last:
            return max(last, key=itemgetter(0))[1]
        return self._outer.before(name) if self._outer else None


def _bound_by(node: ast.stmt, number: int, names: _Names) -> Mapping[str, Any]:
    """What the names mean that a statement binds; those of the statements before it are in `names`."""
    if isinstance(node, FunctionNode | ast.ClassDef):
        return {node.name: _Statement(node, number, names)}
    if isinstance(node, ast.Import):
        return dict.fromkeys(alias.asname or alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        module = node.module or ""
        ours = not node.level and module.startswith("rlaudio.")
        return {
            alias.asname or alias.name: _Imported(module, alias.name) if ours and alias.name != "*" else None
            for alias in node.names
        }
    values = {name: names.get(v.id) if isinstance(v, ast.Name) else v for name, v in _assigned(node)}
    stored = (n.id for n in ast.walk(node) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load))
    return {name: values.get(name) for name in stored}


def _assigned(node: ast.stmt) -> Iterator[tuple[str, ast.expr | None]]:
    """Names and values of `a: int = 1`, `a = b = 1` and `a, b = 1, 2`; not of what is less plain."""
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id, node.value
    if not isinstance(node, ast.Assign):
        return
    for target in node.targets:
        if isinstance(target, ast.Name):
            yield target.id, node.value
        elif isinstance(target, ast.Tuple | ast.List) and isinstance(node.value, ast.Tuple | ast.List):
            parts = [part.id for part in target.elts if isinstance(part, ast.Name)]
            if len(parts) == len(target.elts) == len(node.value.elts):
                yield from zip(parts, node.value.elts, strict=True)


def _followed(meaning: Any) -> Any:
    """What a name means that may come from another module of this package."""
    while isinstance(meaning, _Imported):
        meaning = _shipped_names(meaning.module).get(meaning.name)
    return meaning


@functools.lru_cache
def _shipped_names(module: str) -> _Names:
    path = _PACKAGE.joinpath(*module.split(".")[1:])
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    body = parse_source(file).body if file.is_file() else []
    return _Names(body, read_aliases(body))


# --- parameters ----------------------------------------------------------------------------------


def _named(stem: str, body: Sequence[ast.stmt]) -> _Statement | None:
    """The function or class that is named like the file."""
    numbers = {node.name: n for n, node in enumerate(body) if isinstance(node, FunctionNode | ast.ClassDef)}
    for name in sorted(numbers, key=lambda name: name.startswith("_")):  # helpers come last
        node = body[numbers[name]]  # of one name the last counts
        bases = node.bases if isinstance(node, ast.ClassDef) else ()
        protocol = any(text_of(base).startswith("Protocol") for base in bases)
        if _plain(name) == _plain(stem) and not protocol:
            return _Statement(node, numbers[name], _Names(body, read_aliases(body)))
    return None


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _parameters(defined: _Statement) -> tuple[tuple[str, ...], list[Option]]:
    """What a function or class takes by position, and its options.

    A class takes what its `__init__` has, or a dataclass's fields, or what the first base does.
    """
    if isinstance(defined.node, FunctionNode):
        args = defined.node.args
        pairs = zip(args.kwonlyargs, args.kw_defaults, strict=True)
        given = tuple(a.arg for a in (*args.posonlyargs, *args.args))
        return given, [_option(a.arg, a.annotation, default, defined) for a, default in pairs]
    for inner in defined.inner:
        if isinstance(inner.node, ast.FunctionDef) and inner.node.name == "__init__":
            given, options = _parameters(inner)
            return given[1:], options
    if not _is_dataclass(defined):
        return next((base.parameters for base in _bases(defined) if any(base.parameters)), ((), []))
    fields = defined.fields.values()
    given = tuple(option.name for option, by_keyword in fields if not by_keyword)
    return given, [option for option, by_keyword in fields if by_keyword]


def _option(name: str, annotation: ast.expr | None, default: ast.expr | None, stated: _Statement) -> Option:
    if isinstance(default, ast.Name):
        default = _literal(stated.before(default.id)) or default
    text = text_of(default) if default else None
    return Option(name, text_of(annotation), text, read_annotation(annotation, stated.names.aliases))


def _literal(meaning: Any) -> ast.expr | None:
    """The literal that a name means; None where it means another thing, or text cannot tell."""
    node = _followed(meaning)
    try:
        ast.literal_eval(node)
    except _NO_LITERAL:
        return None
    return node


def _bases(cls: _Statement) -> list[_Statement]:
    """The bases of a class that text can tell."""
    bases = cls.node.bases if isinstance(cls.node, ast.ClassDef) else ()
    meanings = (_followed(cls.before(text_of(base))) for base in bases)
    return [m for m in meanings if isinstance(m, _Statement) and isinstance(m.node, ast.ClassDef)]


def _is_dataclass(cls: _Statement, *, argument: str = "") -> bool:
    listed = cls.node.decorator_list if isinstance(cls.node, ast.ClassDef) else ()
    return any("dataclass" in text and argument in text for text in map(text_of, listed))


def _fields(cls: _Statement) -> dict[str, tuple[Option, bool]]:
    """Fields by name, those of bases first, and whether they are given by keyword only."""
    fields: dict[str, tuple[Option, bool]] = {}
    for base in reversed(_bases(cls)):
        fields |= base.fields
    if _is_dataclass(cls):  # a field that is defined again keeps its place
        by_keyword = _is_dataclass(cls, argument="kw_only=True")
        fields |= {option.name: (option, by_keyword) for option in map(_field, cls.inner) if option}
    return fields


def _field(stated: _Statement) -> Option | None:
    """The field that a statement of a dataclass adds, if it adds one."""
    item = stated.node
    if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name):
        return None
    default, arguments = item.value, {}
    if isinstance(default, ast.Call) and text_of(default.func) == "field":
        arguments = {k.arg: k.value for k in default.keywords}
        factory = arguments.get("default_factory")
        default = arguments.get("default") or (ast.Call(factory, [], []) if factory else None)
    if text_of(item.annotation).startswith("ClassVar") or text_of(arguments.get("init")) == "False":
        return None
    return _option(item.target.id, item.annotation, default, stated)


def _used_with(path: Path, stated: Any, options: Sequence[Option]) -> UsedWith:
    """What a file says in USED_WITH. Raises ValueError."""
    literal = _literal(stated)
    needs = None if literal is None else ast.literal_eval(literal)
    if not _is_used_with(needs):
        raise ValueError(
            f'{path}: {_USED_WITH} is {shown(needs)}; expected a literal such as {{"low": {{"shape": '
            '["window"]}}: by option the values that another must have'
        )
    known = sorted(option.name for option in options)
    for name in sorted({*needs, *(other for others in needs.values() for other in others)}):
        if name not in known:
            raise ValueError(
                f"{path}: {_USED_WITH} names the option {shown(name)}; expected one of {', '.join(known)}"
            )
    return needs


def _is_used_with(value: Any) -> TypeGuard[UsedWith]:
    maps = [value, *value.values()] if isinstance(value, dict) else [value]
    lists = (values for needed in maps[1:] if isinstance(needed, dict) for values in needed.values())
    named = all(isinstance(entry, dict) and all(isinstance(key, str) for key in entry) for entry in maps)
    return named and all(isinstance(v, list | tuple) for v in lists)
