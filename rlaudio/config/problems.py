"""What is wrong with a recipe, as text: file and line, key, what was found and what was expected."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rlaudio.config.finding import UnknownPlugIn
from rlaudio.config.option_values import OptionError
from rlaudio.config.schema import Recipe, field_table, section_at
from rlaudio.config.sections import Section, SectionError
from rlaudio.config.shipped import shipped_folder
from rlaudio.utils.messages import dotted, shown
from rlaudio.utils.names import closest, unknown
from rlaudio.utils.yaml_layers import Keys, Layer

_FORMER_KEYS = {  # what became of keys that once were; {} stands for the value that was found
    "data.lessons": "is now data.pretrain",
    "evaluation.bootstrap": "is gone, no interval is resampled; delete it",
    "evaluation.matcher": "is now evaluation.scorer: {{use: {}}}",
    "answer_correctness.mode": "is now scorer: {{use: {}}}",  # options by plug-in
    "answer_correctness.letters": "is now an option of its scorer, {{use: robust, letters: true}}",
    "answer_correctness.numbers": "is now an option of its scorer, {{use: robust, numbers: true}}",
    "cot_length.mode": "is now scorer: {{use: {}}}",
}
_FORMER_NAMES = {key.rpartition(".")[2] for key in _FORMER_KEYS}


def problems(error: ValidationError, layer: Layer, root: type[Section]) -> Iterator[str]:
    """One line per problem: file and line, key, what is wrong; unknown keys first, they explain others."""
    messages: dict[Keys, list[str]] = {}
    places: dict[Keys, Keys] = {}  # of what is told, where that is another entry
    misspelt = [problem["loc"] for problem in error.errors() if problem["type"] == "extra_forbidden"]
    meant = {(*keys[:-1], closest(str(keys[-1]), _keys_at(keys[:-1], root))) for keys in misspelt}
    for problem in sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden"):
        if problem["type"] == "missing" and problem["loc"] in meant:
            continue
        keys: Keys = problem["loc"]
        while problem["type"] != "missing" and keys not in layer.origins:
            keys = keys[:-1]  # branches of unions and inner names of records are no keys of the recipe
        raised = problem.get("ctx", {}).get("error")
        for key in raised.keys if isinstance(raised, OptionError) else ():
            if (*keys, key) not in layer.origins:
                break
            keys = (*keys, key)
        if isinstance(raised, SectionError):
            keys = (*keys, *raised.keys)
        if isinstance(raised, UnknownPlugIn) and (*keys, "use") in layer.origins:
            places[keys] = (*keys, "use")
        messages.setdefault(keys, []).append(_message(problem, keys, root))
    for keys, texts in messages.items():
        wrong = " or ".join(dict.fromkeys(texts))
        text = _former(keys, layer) or ": ".join(filter(None, [dotted(keys), wrong]))
        yield f"{layer.origin(places.get(keys, keys)).where}: {text}"
    file = Path(layer.origin(()).where)
    if file.parent == shipped_folder("recipes") / "base" and any(
        p["type"] == "missing" for p in error.errors()
    ):
        name = f"base/{file.stem}"
        yield f"{name} is a base, which a recipe completes that begins with 'extends: {name}'"


def _former(keys: Keys, layer: Layer) -> str | None:
    """What became of a key, or of a reward's option, that there is no longer."""
    if keys not in layer.origins or dotted(keys[-1:]) not in _FORMER_NAMES:
        return None
    holder = layer.at(*keys[:-1]).values
    use = holder.get("use", keys[-2]) if keys[0] == "rewards" and len(keys) == 3 else None
    fate = _FORMER_KEYS.get(f"{use}.{keys[-1]}" if use else dotted(keys))
    return fate and f"{dotted(keys)} {fate.format(holder[str(keys[-1])])}"


def _message(problem: Any, keys: Keys, root: type[Section]) -> str:
    if problem["type"] == "extra_forbidden" and root is Recipe and keys == ("extends",):
        return "is a key of a recipe's file alone, and cannot be laid over one"
    if problem["type"] == "extra_forbidden":
        elsewhere = _keys_named(str(keys[-1])) if root is Recipe else []
        there = f"; there is {', '.join(elsewhere)}" if elsewhere else ""
        return unknown("key", str(keys[-1]), _keys_at(keys[:-1], root)) + there
    if problem["type"] == "missing":
        field = section_at(keys[:-1], root).model_fields.get(str(keys[-1]))
        return f"is missing; expected: {field.description if field else 'a value'}"
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    if problem["type"] == "model_type":
        return f"expected a map of KEY: VALUE; found {shown(problem['input'])}"
    return f"{problem['msg']}; found {shown(problem['input'])}"


def _keys_named(name: str) -> list[str]:
    """Keys of a recipe's sections that end in this name, such as optimizer.lr for lr."""
    return [key for key, *_ in field_table() if key.endswith(f".{name}")]


def _keys_at(keys: Keys, root: type[Section]) -> list[str]:
    """The keys of the section at these keys."""
    fields = list(section_at(keys, root).model_fields)
    return [*fields, "extends"] if root is Recipe and not keys else fields
