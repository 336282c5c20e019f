"""Plug-ins: one file each, one public name, whose keyword-only parameters are its options in a recipe.

A bare name is a file that ships (`grpo` is `rlaudio/algorithms/grpo.py`), `./mine.py` is the user's,
relative to the recipe. Options are checked against the source text of the file; the file is imported
when the plug-in is called. Options called `scorer` (of rewards), `judge` and `embedder` (of rewards, scorers
and data) are plug-ins in turn; a reward that names no scorer is given the recipe's.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from rlaudio.config.finding import absolute_option, explicit, find, is_path
from rlaudio.config.importing import import_plugin
from rlaudio.config.option_values import OptionError, coerce, coerce_late, names_in_annotations
from rlaudio.config.reward_styles import KEYS as STYLE_KEYS
from rlaudio.config.reward_styles import pop_style, read_reward
from rlaudio.config.shipped import GIVEN, NESTED, PACKAGE
from rlaudio.config.signatures import Option, Signature, read_signature
from rlaudio.utils.messages import shown, with_article
from rlaudio.utils.names import plain_name, unknown

SCORER = "scorer"  # the option of a reward that is the recipe's scorer where it names none
CALL_SECONDS = 60.0  # in which a user's code must return, where a recipe does not say

# The same for the import of a user's file, as the recipe says that was loaded last.
import_seconds: ContextVar[float | None] = ContextVar("import_seconds", default=CALL_SECONDS)


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
        target: Any = getattr(module, signature.name, None)
        _check_decorators(self.kind, self.path, signature, target)
        names, label = names_in_annotations(target, module), f"{self.kind} {self.use}"
        options = {o.name: o for o in signature.options}
        values = {
            name: value.part if isinstance(value, Bound) else coerce_late(label, options[name], value, names)
            for name, value in self.options.items()
        }
        filled = PlugIn(self._adapted(PlugIn(target, **values)) if self.style else PlugIn(target, **values))
        filled.path = self.path
        return filled

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = self.function(*args, **kwargs)
        if self.kind == "data" and is_path(self.use):  # here, since recipes, commands and notebooks call it
            from rlaudio.data.given import given_dataset  # imports NumPy

            return given_dataset(given, f"data {self.use}")
        return given

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
        return self._signature.defaults

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
    path, label, folder = find(kind, use, relative_to), f"{kind} {use}", relative_to or Path.cwd()
    style = pop_style(use, options) if kind == "reward" else {}
    signature = _signature(kind, path, *(style.get(key) for key in STYLE_KEYS))
    known, defaults = {o.name: o for o in signature.options}, signature.defaults
    for name in options:
        if name not in known:
            beside = ["weight"] if kind == "reward" and name != "weight" else []  # a reward's, not an option
            raise OptionError(f"{label}: {unknown('option', name, [*known, *beside])}", name)
    if kind == "reward" and options.get(SCORER) is None:
        known.pop(SCORER, None)  # it is the recipe's
    values: dict[str, Any] = {}
    for name, option in known.items():
        if name in options and name in NESTED.get(kind, {}):
            values[name] = _bind_nested(label, name, NESTED[kind][name], options[name], folder)
        elif name in options:
            given = absolute_option(kind, option, options[name], folder)
            values[name] = coerce(label, option, given, option.type)
        elif option.required:
            raise OptionError(f"{label}: option {name} is missing; it has no default", name)
        elif name in defaults:
            default = defaults[name]
            is_tuple = isinstance(default, tuple)  # as a file's list comes out
            values[name] = coerce(label, option, list(default), option.type) if is_tuple else default
    return Bound(kind, str(path) if is_path(use) else use, path, values, style)


def load(kind: str, name: str, relative_to: Path | None = None) -> Callable[..., Any]:
    """The function or class of a plug-in, its file imported. Raises as `bind`, and ImportError."""
    path = find(kind, name, relative_to)
    return getattr(_import(kind, path), _signature(kind, path).name)


def signature_of(kind: str, name: str, relative_to: Path | None = None) -> Signature:
    """The public name, summary and options of a plug-in; its file is not imported. Raises as `bind`."""
    return _signature(kind, find(kind, name, relative_to))


def options_of(kind: str, use: Any) -> dict[str, Option]:
    """The options of a plug-in by name; none where there is no such one, which `bind` tells."""
    try:
        return {o.name: o for o in signature_of(kind, use).options} if isinstance(use, str) else {}
    except (ValueError, OSError):
        return {}


# --- helpers -------------------------------------------------------------------------------------


@functools.lru_cache
def _signature(kind: str, path: Path, style: str | None = None, function: str | None = None) -> Signature:
    if style:
        return read_reward(path, style, function)
    signature = read_signature(path)
    if signature is None:
        raise ValueError(
            f"{path}: nothing named like the file is defined by def or class; expected a function or class "
            f"{path.stem!r} (case and underscores do not count)"
        )
    if signature.given not in GIVEN[kind]:
        expected = " or ".join(f"({', '.join(given)})" if given else "nothing" for given in GIVEN[kind])
        one = with_article("data plug-in" if kind == "data" else kind)
        taken = f"({', '.join(signature.given)})" if signature.given else "nothing"
        raise ValueError(
            f"{path}: {signature.name} takes {taken} by position; "
            f"{one} takes {expected}, and its options as keyword-only parameters, after a '*', "
            "of a dataclass by kw_only=True"
            + "; one written for TRL or verl is used with style: trl, trl_chat or verl"
            * bool({"completions", "solution_str"}.intersection(signature.given))
        )
    for option in signature.options:
        if option.name in ("use", *(("weight", *STYLE_KEYS) if kind == "reward" else ())):
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
