"""Plug-ins: one file each, one public name, whose keyword-only parameters are its options in a recipe.

A bare name is a file that ships (`grpo` is `rlaudio/algorithms/grpo.py`), `./mine.py` is the user's,
relative to the recipe. Options are checked against the source text of the file; the file is imported
when the plug-in is called. Options called `scorer` (of rewards), `judge` and `embedder` (of rewards, scorers
and data) are plug-ins in turn; a reward that names no scorer is given the recipe's.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_type_hints

from pydantic import PydanticUserError, TypeAdapter, ValidationError

from rlaudio.config.names import MAX_BYTES, plain_name
from rlaudio.config.plugin_files import import_plugin
from rlaudio.config.reward_styles import KEYS as STYLE_KEYS
from rlaudio.config.reward_styles import check_keys, read_reward
from rlaudio.config.shipped import GIVEN, NESTED, PACKAGE, available, places
from rlaudio.config.signatures import Option, Signature, read_signature
from rlaudio.data.hub import is_hub_name
from rlaudio.utils.endpoint.address import Address, is_endpoint
from rlaudio.utils.messages import shown, with_article

# What a recipe says of a plug-in beside its options; of other kinds "use" alone.
_KEYS = {"reward": ("use", "weight", *STYLE_KEYS)}
SCORER = "scorer"  # the option of a reward that is the recipe's scorer where it names none
CALL_SECONDS = 60.0  # in which a user's code must return, where a recipe does not say

# The same for the import of a user's file, as the recipe says that was loaded last.
import_seconds: ContextVar[float | None] = ContextVar("import_seconds", default=CALL_SECONDS)


_FORMER = {  # what became of plug-ins that once were
    ("algorithm", "dr_grpo"): "is now {use: grpo, scale: none, aggregate: constant}",
}


class OptionError(ValueError):
    """An option of a plug-in is unknown, missing or of the wrong type.

    `keys` lead to it: its name, or that of an option that is a plug-in, and the name of an option of that.
    """

    def __init__(self, message: str, *keys: str):
        super().__init__(message)
        self.keys = keys


class UnknownPlugIn(ValueError):
    """No plug-in has the name that stands under `use`."""


class PlugIn(functools.partial[Any]):
    """A plug-in's function or class with its options filled in."""

    path: Path  # its file, also where a decorator of another file wraps it


@dataclass(frozen=True)
class Bound:
    """A plug-in with its options, checked; its file is imported on the first call."""

    kind: str
    use: str  # a shipped name, or the absolute path of a user's file
    path: Path
    options: Mapping[str, Any]
    style: Mapping[str, str] = field(default_factory=dict)  # of a reward of another trainer: style, function

    @property
    def function(self) -> PlugIn:
        """The plug-in with its options filled in; it still takes its positional parameters.

        Raises ImportError if its file cannot be imported, ValueError if an option has the wrong type.
        """
        module, signature = _import(self.kind, self.path), self._signature
        options = {o.name: o for o in signature.options}
        target: Any = getattr(module, signature.name, None)
        _check_decorators(self.kind, self.path, signature, target)
        names = _names_in_annotations(target, module)
        values = {n: self._coerce_late(options[n], value, names) for n, value in self.options.items()}
        filled = PlugIn(self._adapted(PlugIn(target, **values)) if self.style else PlugIn(target, **values))
        filled.path = self.path
        return filled

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    @property
    def part(self) -> Callable[..., Any]:
        """What another plug-in is handed where an option of it is this one: a function, or a class's object.

        One of the user's has the time limit of a scorer. Raises as `function`.
        """
        function, is_class = self.function, not _signature(self.kind, self.path).given
        if is_path(self.use) and self.kind != SCORER:
            from rlaudio.scorers.user_part import UserPart  # imports torch

            return UserPart(self.kind, str(self.path), function, is_class, import_seconds.get())
        made: Callable[..., Any] = function() if is_class else function
        return made

    @property
    def user_files(self) -> list[Path]:
        """The files of the user that it runs: its own, and those that its options name."""
        its_file = [self.path] if is_path(self.use) else []
        given = self.options.values()
        named = [value for value in given if isinstance(value, Path) and value.suffix == ".py"]
        return [*its_file, *named, *(file for v in given if isinstance(v, Bound) for file in v.user_files)]

    @property
    def read_files(self) -> list[Path]:
        """The other files that its options name, such as a judge's prompt; those of data are told by rows."""
        given = self.options.values()
        named = [v for v in given if isinstance(v, Path) and v.suffix != ".py" and v.is_file()]
        of_parts = [file for v in given if isinstance(v, Bound) for file in v.read_files]
        return of_parts if self.kind == "data" else [*named, *of_parts]

    def spec(self) -> dict[str, Any]:
        """The plug-in as a recipe writes it: `use` and every option."""
        plain = {n: v.spec() if isinstance(v, Bound) else v for n, v in self.options.items()}
        return {"use": self.use, **self.style, **plain}

    @property
    def label(self) -> str:
        """Its name with the options that are not at their defaults, such as `robust_letters`."""
        changed = [
            name if value is True else f"{name}={Path(value.use).stem if isinstance(value, Bound) else value}"
            for name, value in self.changed.items()
        ]
        return plain_name("_".join([Path(self.use).stem, *changed]))

    @property
    def changed(self) -> Mapping[str, Any]:
        """The options that are not at their defaults."""
        defaults = self.defaults
        return {n: v for n, v in self.options.items() if n not in defaults or defaults[n] != v}

    @property
    def defaults(self) -> Mapping[str, Any]:
        """The defaults of its options that are literals in its file."""
        return {o.name: o.default_value() for o in self._signature.options if o.has_literal_default}

    def unused(self) -> Iterator[tuple[str, str]]:
        """The options that are not at their defaults and change nothing, as its file says, and why."""
        values = {**self.defaults, **self.options}
        for name in self.changed:
            for other, needed in self._signature.used_with.get(name, {}).items():
                if values.get(other) not in needed:
                    expected = " or ".join(map(str, needed))
                    yield name, f"{other} is {values.get(other)}, not {expected}"

    def with_scorer(self, scorer: Bound) -> Bound:
        """This reward with `scorer` where it takes one and names none."""
        takes_one = SCORER in (option.name for option in self._signature.options)
        if not takes_one or SCORER in self.options:
            return self
        return replace(self, options={**self.options, SCORER: scorer})

    @property
    def given(self) -> tuple[str, ...]:
        """What it is called with by position, as its file says."""
        return self._signature.given

    @property
    def _signature(self) -> Signature:
        return _signature(self.kind, self.path, *(self.style.get(key) for key in STYLE_KEYS))

    def _adapted(self, function: PlugIn) -> Callable[..., Any]:
        from rlaudio.scoring.conventions import as_reward  # imports NumPy

        return as_reward(function, self.style["style"])

    def _coerce_late(self, option: Option, value: Any, names: Mapping[str, Any]) -> Any:
        if isinstance(value, Bound):
            return value.part
        if option.type is not Any:
            return value  # checked by `bind`
        try:
            to = _evaluated(option.annotation, names)
        except (NameError, TypeError, AttributeError, SyntaxError) as error:
            raise ValueError(f"{self.path}: option {option.name}: {error}; import the type's name") from error
        return _coerce(f"{self.kind} {self.use}", option, value, to)


def bind(kind: str, spec: str | Mapping[str, Any] | Bound, relative_to: Path | None = None) -> Bound:
    """The plug-in that `spec` names, as `NAME` or `{use: NAME, **options}`, its options checked and typed.

    Options that are paths become absolute, relative to the folder `relative_to`; defaults are filled in.
    Raises ValueError for an unknown plug-in, OptionError (a ValueError) for an option that is unknown,
    missing or of the wrong type, FileNotFoundError for a user's file that does not exist.
    """
    if isinstance(spec, Bound):
        return spec
    options = {"use": spec} if isinstance(spec, str) else dict(spec) if isinstance(spec, Mapping) else {}
    use = options.pop("use", None)
    if not isinstance(use, str):
        raise ValueError(
            f"expected {with_article(kind)} plug-in as NAME or {{use: NAME, options ...}}, found "
            f"{shown(spec)}"
        )
    path = find(kind, use, relative_to)
    style = _pop_style(use, options) if kind == "reward" else {}
    signature = _signature(kind, path, *(style.get(key) for key in STYLE_KEYS))
    known = {o.name: o for o in signature.options}
    for name in options:
        if name not in known:
            raise OptionError(f"{kind} {use}: {unknown('option', name, known)}", name)
    nested = NESTED.get(kind, {})
    if kind == "reward" and options.get(SCORER) is None:
        options.pop(SCORER, None)
    plain = [o for o in signature.options if kind != "reward" or o.name != SCORER]
    for option in plain:
        if option.required and option.name not in options:
            message = f"{kind} {use}: option {option.name} is missing; it has no default"
            raise OptionError(message, option.name)
    values = {o.name: o.default_value() for o in plain if o.has_literal_default}
    for option in plain:
        if isinstance(values.get(option.name), tuple):  # as a file's list comes out
            values[option.name] = _coerce(f"{kind} {use}", option, list(values[option.name]), option.type)
    folder = relative_to or Path.cwd()
    for name, value in options.items():
        if name in nested:
            values[name] = _bind_nested(f"{kind} {use}", name, nested[name], value, folder)
            continue
        value = absolute_option(kind, known[name], value, folder)
        values[name] = _coerce(f"{kind} {use}", known[name], value, known[name].type)
    in_order = {name: values[name] for name in known if name in values}
    return Bound(kind, str(path) if is_path(use) else use, path, in_order, style)


def load(kind: str, name: str, relative_to: Path | None = None) -> Callable[..., Any]:
    """The function or class of a plug-in, its file imported. Raises as `bind`, and ImportError."""
    path = find(kind, name, relative_to)
    return getattr(_import(kind, path), _signature(kind, path).name)


def describe(kind: str, name: str, relative_to: Path | None = None) -> Signature:
    """The public name, summary and options of a plug-in; its file is not imported. Raises as `bind`."""
    return _signature(kind, find(kind, name, relative_to))


def find(kind: str, name: str, relative_to: Path | None = None) -> Path:
    """The file of a plug-in: a shipped one by name, a user's by a path relative to `relative_to`.

    Raises ValueError for a name that does not ship and FileNotFoundError for a file that is not there.
    """
    if is_path(name):
        path = absolute(name, relative_to or Path.cwd())
        if kind == "data" and path.is_dir():
            raise FileNotFoundError(
                f"data {name}: is a folder; expected a plug-in; a folder of data is the option path, as in "
                f"mmau: {{path: {name}}}"
            )
        if not path.is_file():
            raise FileNotFoundError(
                f"{kind} {name}: {no_file(path)}; a relative path is looked for beside the recipe that names "
                "it, one of -o in the working folder"
            )
        return path
    hint = ""
    is_name = name.isidentifier() and len(name.encode()) <= MAX_BYTES
    for folder, pattern in places(kind) if is_name else ():
        if (path := folder / pattern.format(name=name)).is_file():
            return path
    if is_name and relative_to and (relative_to / f"{name}.py").is_file():
        hint = f"; for the file beside the recipe write ./{name}.py"
    if (kind, name) in _FORMER:
        raise UnknownPlugIn(f"{kind} {name} {_FORMER[kind, name]}")
    raise UnknownPlugIn(f"{unknown(kind, name, available(kind))}{hint}")


def explicit(kind: str, spec: Any) -> Any:
    """What a text stands for where a plug-in is named: `{use: NAME}`, for judges and embedders more.

    `endpoint:URL#MODEL` is the judge behind that address, a path that is no Python file the embedder in the
    folder of a model. Raises ValueError for an address that is none.
    """
    if not isinstance(spec, str):
        return spec
    if kind == "judge" and is_endpoint(spec):
        address = Address.parse(spec)
        return {"use": "endpoint", "url": ",".join(address.urls), "model": address.model}
    if kind == "embedder" and is_path(spec) and not spec.endswith(".py"):
        return {"use": "sentence_model", "path": spec}
    return {"use": spec}


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """A message such as `unknown option 'kk'; did you mean 'kl'? Known: clip, kl`."""
    names = sorted(known)
    close = closest(name, names)
    hint = f"; did you mean {close!r}?" if close else "."
    return f"unknown {what} {shown(name)}{hint} Known: {', '.join(names) or 'none'}"


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a misspelt one probably means; None where none is close."""
    return next(iter(difflib.get_close_matches(name[:100], sorted(known), n=1)), None)


def is_path(name: str) -> bool:
    """Whether a name in a recipe is a user's file rather than something that ships."""
    return name.startswith(("./", "../", "/", "~")) or name.endswith((".py", ".yaml", ".yml"))


def absolute(path: str | Path, folder: Path) -> Path:
    """`path` without `~`, `.` and `..`, relative to `folder`. Raises ValueError for what is no path."""
    try:
        whole = (folder / Path(path).expanduser()).resolve()
        whole.exists()
    except PermissionError:
        return whole
    except (RuntimeError, OSError, ValueError) as error:  # ~nobody, a name too long, a circle of links, NUL
        why = error.strerror if isinstance(error, OSError) else error  # its text holds the whole path
        raise ValueError(f"no path {shown(str(path))}: {why}; correct the path") from error
    return whole


def no_file(path: Path, what: str = "file") -> str:
    """What to say of a path where a file is expected and none is."""
    if path.is_dir():
        return f"{path} is a folder; expected a file"
    return f"{path} is a pipe or device; expected a file" if path.exists() else f"no {what} {path}"


def absolute_option(kind: str, option: Option, value: Any, folder: Path) -> Any:
    """An option's value; if it is a path or names a model's folder, absolute, relative to `folder`."""
    if not isinstance(value, str | Path):
        return value
    if kind == "model" and option.name == "path":
        return absolute_model(str(value), folder)
    if kind == "data" and option.name == "path" and is_hub_name(str(value)):
        path = absolute(value, folder)
        return str(path) if path.exists() else str(value)  # else a name of the Hugging Face hub
    if option.type is Path or Path in get_args(option.type):
        return str(absolute(value, folder))
    return value


def absolute_model(name: str, folder: Path) -> str:
    """A model's folder made absolute; a name stays: of a shipped one (`tiny/base`), a hub or an endpoint."""
    if name.startswith("tiny/") or is_endpoint(name):
        return name
    path = absolute(name, folder)
    return str(path) if is_path(name) or path.exists() else name


# --- helpers -------------------------------------------------------------------------------------


def _pop_style(use: str, options: dict[str, Any]) -> dict[str, str]:
    """The keys that say how a reward of another trainer is called, taken out of what the recipe gives."""
    given = {key: options.pop(key, None) for key in STYLE_KEYS}
    check_keys(use, given)
    return {key: value for key, value in given.items() if value is not None}


@functools.lru_cache
def _signature(kind: str, path: Path, style: str | None = None, function: str | None = None) -> Signature:
    if style:
        return read_reward(path, style, function)
    signature = read_signature(path)
    if signature is None:
        raise ValueError(
            f"{path}: nothing named like the file; expected a function or class {path.stem!r} "
            "(case and underscores do not count)"
        )
    if signature.given not in GIVEN[kind]:
        expected = " or ".join(f"({', '.join(given)})" for given in GIVEN[kind])
        raise ValueError(
            f"{path}: {signature.name} takes ({', '.join(signature.given)}) by position; "
            f"{with_article(kind)} takes {expected}, and its options as keyword-only parameters, after a '*'"
        )
    for option in signature.options:
        if option.name in _KEYS.get(kind, ("use",)):
            raise ValueError(
                f"{path}: option {option.name} of {signature.name} could not be given: in a recipe that is "
                f"a key of the {kind} itself; rename the option"
            )
    return signature


@functools.lru_cache
def _import(kind: str, path: Path) -> ModuleType:
    shipped = PACKAGE / "_shipped"
    if path.is_relative_to(PACKAGE) and not path.is_relative_to(shipped):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        try:
            return importlib.import_module(".".join(("rlaudio", *parts)).removesuffix(".__init__"))
        except ModuleNotFoundError as error:
            raise ImportError(f"{path}: {error}; install the package to use this plug-in") from error
    return import_plugin(kind, path, import_seconds.get())


def _check_decorators(kind: str, path: Path, signature: Signature, target: Any) -> None:
    """Refuse a decorator that gives no function, or hides how a reward is called. Raises ValueError."""
    written = f"{path}: {signature.name} is written to take ({', '.join(signature.given)})"
    if not callable(target):
        raise ValueError(f"{written} and is {target!r} when the file is imported; expected it to be there")
    taken = tuple(inspect.signature(target).parameters) if kind == "reward" else signature.given
    if taken[: len(signature.given)] != signature.given:
        raise ValueError(
            f"{written} and takes ({', '.join(taken)}) when the file is imported; write its decorator with "
            "functools.wraps(function)"
        )


def _bind_nested(label: str, name: str, kind: str, spec: Any, folder: Path) -> Bound | None:
    if spec is None:
        return None
    try:
        return bind(kind, explicit(kind, spec), folder)
    except (ValueError, FileNotFoundError) as error:
        within = error.keys if isinstance(error, OptionError) else ()
        raise OptionError(f"{label}: option {name}: {error}", name, *within) from error


def _names_in_annotations(target: Any, module: ModuleType) -> dict[str, Any]:
    """Names in the plug-in's module, and in those of the classes that it inherits options from."""
    bases = reversed(target.__mro__) if isinstance(target, type) else ()
    modules = [*(sys.modules[base.__module__] for base in bases), module]
    return {name: value for m in modules for name, value in vars(m).items()}


def _evaluated(annotation: str, names: Mapping[str, Any]) -> Any:
    """The type that an annotation of an imported file means. Raises NameError, TypeError, AttributeError."""
    if not annotation:
        return Any
    holder = type("Holder", (), {"__annotations__": {"value": annotation}})
    return get_type_hints(holder, globalns=dict(names), include_extras=True)["value"]


def _coerce(label: str, option: Option, value: Any, to: Any) -> Any:
    problem = _not_a_number(value, to)
    try:
        converted = TypeAdapter(to).validate_python(value)
    except ValidationError as error:
        problem = problem or " or ".join(dict.fromkeys(e["msg"] for e in error.errors()))
    except PydanticUserError as error:  # a type that no text can stand for
        raise OptionError(
            f"{label}: option {option.name} cannot be given in a recipe", option.name
        ) from error
    else:
        if isinstance(converted, float) and not math.isfinite(converted):
            problem = "expected a finite number"
    if problem:
        raise OptionError(f"{label}: option {option.name}: {problem}; found {shown(value)}", option.name)
    return converted


def _not_a_number(value: Any, to: Any) -> str | None:
    """What is wrong with a bool where a number is expected: Python would count with it."""
    types = (to, *get_args(to))
    numbers = bool not in types and not {int, float}.isdisjoint(t for t in types if isinstance(t, type))
    return "expected a number" if numbers and isinstance(value, bool) else None
