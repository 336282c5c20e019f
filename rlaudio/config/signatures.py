"""The public name and options of a plug-in, read from its source text: the file is parsed, not imported.

So `rlaudio list`, `show` and the first check of a recipe take milliseconds, whichever heavy libraries the
plug-ins need, and nothing in the file runs. Fields that a class inherits, and defaults that are names of
literals, are read where they stand: in the same file, or in that of rlaudio that `from ... import ...` names.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
        except _NO_LITERAL:
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
    used_with: UsedWith = field(default_factory=dict)


def read_signature(path: Path) -> Signature | None:
    """The signature of the plug-in at `path`; None where no public name equals the file's name.

    Case and underscores do not count: `cot_length.py` may hold `cot_length` or `CotLength`. A folder's
    `__init__.py` is named by the folder. Raises ValueError with file and line on a syntax error, with the
    file where its USED_WITH is no literal of such a shape or names an option that it has not.
    """
    try:
        module = parse_source(path)
        signature = _signature_in(module, path.parent.name if path.stem == "__init__" else path.stem)
    except (RecursionError, MemoryError) as error:
        raise ValueError(f"{path}: nested too deeply to be parsed; expected Python source") from error
    if signature is None or not any(_USED_WITH in _bound_by(node) for node in module.body):
        return signature
    return replace(signature, used_with=_used_with(path, module, {o.name for o in signature.options}))


def parse_source(path: Path) -> ast.Module:
    """The parsed source text of a plug-in. Raises ValueError with file and line for what is none."""
    content = read_bytes(path, MAX_BYTES, "Python source", "is it the path of a plug-in?")
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


# --- helpers -------------------------------------------------------------------------------------


def _signature_in(module: ast.Module, stem: str) -> Signature | None:
    definitions = {  # of one name the last counts
        node.name: (number, node)
        for number, node in enumerate(module.body)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    for name in sorted(definitions, key=lambda name: name.startswith("_")):  # helpers come last
        number, node = definitions[name]
        if _plain(name) != _plain(stem) or _is_protocol(node):
            continue
        if isinstance(node, ast.ClassDef):
            given, options = _class_parameters(_read_class(module.body, number))
        else:
            given, options = _parameters(node, _scope(module.body, number))
        summary = ast.get_docstring(module) or ast.get_docstring(node) or ""
        return Signature(node.name, summary.partition("\n")[0], given, tuple(options))
    return None


def _used_with(path: Path, module: ast.Module, options: Collection[str]) -> UsedWith:
    literal = _literal(_USED_WITH, module.body)
    needs = None if literal is None else ast.literal_eval(literal)
    if not _is_used_with(needs):
        raise ValueError(
            f'{path}: {_USED_WITH} is {shown(needs)}; expected a literal such as {{"low": {{"shape": '
            '["window"]}}: by option the values that another must have'
        )
    named = {*needs, *(other for others in needs.values() for other in others)}
    if unknown := sorted(named - set(options)):
        raise ValueError(
            f"{path}: {_USED_WITH} names the option {shown(unknown[0])}; expected one of "
            f"{', '.join(sorted(options))}"
        )
    return needs


def _is_used_with(value: Any) -> TypeGuard[UsedWith]:
    maps = [value, *value.values()] if isinstance(value, dict) else [value]
    lists = (values for needed in maps[1:] if isinstance(needed, dict) for values in needed.values())
    named = all(isinstance(entry, dict) and all(isinstance(key, str) for key in entry) for entry in maps)
    return named and all(isinstance(v, list | tuple) for v in lists)


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _text(node: ast.expr | None) -> str:
    try:
        return "" if node is None else ast.unparse(node)
    except ValueError:  # a number that is too long for Python to print, as no option is
        return "<number>"


def _is_protocol(node: ast.stmt) -> bool:
    return isinstance(node, ast.ClassDef) and any(_text(b).startswith("Protocol") for b in node.bases)


@dataclass(frozen=True)
class _Scope:
    """What names mean where a plug-in is defined, as far as text can tell."""

    aliases: Mapping[str, Any]  # of types, in its file
    before: Sequence[ast.stmt]  # statements that come before, those of the class last


def _scope(body: Sequence[ast.stmt], number: int) -> _Scope:
    return _Scope(read_aliases(body), body[:number])


def _parameters(
    node: ast.FunctionDef | ast.AsyncFunctionDef, scope: _Scope, skip: int = 0
) -> tuple[tuple[str, ...], list[Option]]:
    given = tuple(a.arg for a in (*node.args.posonlyargs, *node.args.args))[skip:]
    pairs = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    return given, [_option(a.arg, a.annotation, default, scope) for a, default in pairs]


def _option(name: str, annotation: ast.expr | None, default: ast.expr | None, scope: _Scope) -> Option:
    if isinstance(default, ast.Name):
        default = _literal(default.id, scope.before) or default
    text = _text(default) if default else None
    return Option(name, _text(annotation), text, read_annotation(annotation, scope.aliases))


def _literal(name: str, body: Sequence[ast.stmt]) -> ast.expr | None:
    """The literal that a name is bound to after these statements; None where text cannot tell."""
    for number, node in reversed(list(enumerate(body))):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if name == (alias.asname or alias.name):
                    return _literal(alias.name, _statements(node))
                if alias.name == "*":
                    return None
        elif name in _bound_by(node):
            value = _assigned(node, name)
            if isinstance(value, ast.Name):
                return _literal(value.id, body[:number])
            return value if value and _is_literal(value) else None
    return None


def _assigned(node: ast.stmt, name: str) -> ast.expr | None:
    """What a statement gives the name, as in `a = b = 1` and `a, b = 1, 2`; None where it is not plain."""
    if isinstance(node, ast.AnnAssign):
        return node.value
    if not isinstance(node, ast.Assign):
        return None
    for target in node.targets:
        if isinstance(target, ast.Name) and target.id == name:
            return node.value
        if isinstance(target, ast.Tuple | ast.List) and isinstance(node.value, ast.Tuple | ast.List):
            names = [part.id if isinstance(part, ast.Name) else None for part in target.elts]
            if None not in names and name in names and len(names) == len(node.value.elts):
                return node.value.elts[names.index(name)]
    return None


def _bound_by(node: ast.stmt) -> set[str]:
    """The names that a statement of a file binds, those inside of functions aside."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import):
        return {alias.asname or alias.name for alias in node.names}
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except _NO_LITERAL:
        return False
    return True


@dataclass(frozen=True)
class _Class:
    """A class in the text of a file."""

    node: ast.ClassDef
    scope: _Scope
    bases: tuple[_Class, ...]  # those that text can tell

    def scope_of(self, number: int) -> _Scope:
        """What names mean in statement `number` of the class."""
        return _Scope(self.scope.aliases, [*self.scope.before, *self.node.body[:number]])


def _read_class(body: Sequence[ast.stmt], number: int) -> _Class:
    """The class that is statement `number` of a file."""
    node = body[number]
    assert isinstance(node, ast.ClassDef)
    bases = (_find_class(_text(base), body[:number]) for base in node.bases)
    return _Class(node, _scope(body, number), tuple(base for base in bases if base))


def _find_class(name: str, body: Sequence[ast.stmt]) -> _Class | None:
    """The class that a name means after these statements; None where only an import could tell."""
    for number, node in reversed(list(enumerate(body))):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _read_class(body, number)
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if name == (alias.asname or alias.name):
                    return _find_class(alias.name, _statements(node))
    return None


def _statements(imported: ast.ImportFrom) -> Sequence[ast.stmt]:
    """The source of the module of this package that is imported from; nothing for other modules."""
    module = imported.module or ""
    return _shipped_statements(module) if module.startswith("rlaudio.") and not imported.level else ()


@functools.lru_cache
def _shipped_statements(module: str) -> Sequence[ast.stmt]:
    path = _PACKAGE.joinpath(*module.split(".")[1:])
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return parse_source(file).body if file.is_file() else ()


def _class_parameters(cls: _Class) -> tuple[tuple[str, ...], list[Option]]:
    """What a class takes: as its `__init__` has it, as a dataclass, or as the first base that says so."""
    for number, item in enumerate(cls.node.body):
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            return _parameters(item, cls.scope_of(number), skip=1)
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
        fields |= {option.name: (option, by_keyword) for option in _fields_added(cls)}
    return fields


def _fields_added(cls: _Class) -> Iterator[Option]:
    for number, item in enumerate(cls.node.body):
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
        yield _option(item.target.id, item.annotation, default, cls.scope_of(number))
