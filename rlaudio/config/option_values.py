"""Values of options as the types in a plug-in's source text have them."""

from __future__ import annotations

import math
import sys
from types import ModuleType
from typing import Any, get_args, get_type_hints

from pydantic import PydanticUserError, TypeAdapter, ValidationError

from rlaudio.config.signatures import Option
from rlaudio.utils.messages import shown


class OptionError(ValueError):
    """An option of a plug-in is unknown, missing or of the wrong type.

    `keys` lead to it: its name, or that of an option that is a plug-in, and the name of an option of that.
    """

    def __init__(self, message: str, *keys: str):
        super().__init__(message)
        self.keys = keys


def coerce(label: str, option: Option, value: Any, to: Any) -> Any:
    """The value as an option of that type. Raises OptionError."""
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


def coerce_late(label: str, option: Option, value: Any, names: dict[str, Any]) -> Any:
    """The value as the type that the option's annotation means by these names, if its text did not tell it.

    Raises OptionError for the value, ValueError for the annotation.
    """
    if option.type is not Any or not option.annotation:
        return value
    holder = type("Holder", (), {"__annotations__": {"value": option.annotation}})
    try:
        to = get_type_hints(holder, globalns=names, include_extras=True)["value"]
    except (NameError, TypeError, AttributeError, SyntaxError) as error:
        raise ValueError(f"{label}: option {option.name}: {error}; import the type's name") from error
    return coerce(label, option, value, to)


def names_in_annotations(target: Any, module: ModuleType) -> dict[str, Any]:
    """Names in the plug-in's module, and in those of the classes that it inherits options from."""
    bases = reversed(target.__mro__) if isinstance(target, type) else ()
    modules = [*(sys.modules[base.__module__] for base in bases), module]
    return {name: value for m in modules for name, value in vars(m).items()}


def _not_a_number(value: Any, to: Any) -> str | None:
    """What is wrong with a bool where a number is expected: Python would count with it."""
    types = (to, *get_args(to))
    numbers = bool not in types and not {int, float}.isdisjoint(t for t in types if isinstance(t, type))
    return "expected a number" if numbers and isinstance(value, bool) else None
