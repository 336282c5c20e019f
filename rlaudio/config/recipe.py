"""Recipes: one YAML file defines a run. This file reads them; `schema.py` defines their keys.

    extends: base/tiny                       # one parent, by name or path; maps merge, all else replaces
    curriculum: {use: weak_to_strong}        # `use` names a plug-in, every other key is its option
    rewards: {format: {weight: 0.5}}         # in maps of plug-ins the key is the default of `use`

`-o key.key=value` comes last. Relative paths are relative to the file that names them; on the command line,
and in a recipe that ships and was asked for by name, to the working folder.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from rlaudio.config import plugins
from rlaudio.config.layers import Keys, Layer, Origin, lay_over, read_layer, read_override
from rlaudio.config.plugins import (
    SCORER,
    OptionError,
    absolute,
    absolute_model,
    absolute_option,
    closest,
    is_path,
    shipped_folder,
    unknown,
)
from rlaudio.config.schema import Recipe, Section, section_at
from rlaudio.config.signatures import Option

__all__ = [
    "Recipe",
    "find_recipe",
    "folder_of_paths",
    "load_recipe",
    "shipped_comparisons",
    "shipped_recipes",
    "validate",
]

S = TypeVar("S", bound=Section)


def load_recipe(
    path_or_name: str | Path, overrides: Sequence[str] = (), *, layers: Sequence[Layer] = ()
) -> Recipe:
    """The recipe in a YAML file or of a shipped name (`tiny_weak_to_strong`), `KEY=VALUE` overrides applied.

    `layers` are laid over the file in their order, before the overrides. Raises FileNotFoundError if there
    is no such file, and ValueError that names file, line and key of every problem in it.
    """
    path = find_recipe(path_or_name)
    defaults = Layer({"name": path.stem, **_DEFAULTS}, {(): Origin(str(path), path.parent)})
    layer = lay_over(defaults, _read_with_parents(path, folder_of_paths(path_or_name, path), ()), _removes)
    if "arms" in layer.values or "grid" in layer.values:
        raise ValueError(f"{path}: this is a comparison, not a recipe; run it with 'rlaudio compare'")
    for above in layers:
        layer = lay_over(layer, _with_explicit_plugins(above), _removes)
    for text in sorted(overrides, key=_override_order):
        layer = lay_over(layer, _with_explicit_plugins(read_override(text, Path.cwd())), _removes)
    layer = _with_common_data(layer)
    return validate(Recipe, _resolved(layer), layer)


def validate(section: type[S], values: dict[str, Any], layer: Layer) -> S:
    """The section with these values; `layer` has the origin of each.

    Raises ValueError that names file, line and key of every problem.
    """
    try:
        return section.model_validate(values)
    except ValidationError as error:
        raise ValueError("\n".join(_problems(error, layer, section))) from error


def find_recipe(path_or_name: str | Path, relative_to: Path | None = None) -> Path:
    """The file of a recipe: `x.yaml` is a path, relative to a folder; a bare name is one that ships.

    Raises FileNotFoundError.
    """
    name = str(path_or_name)
    if is_path(name):
        path = absolute(name, relative_to or Path.cwd())
        if path.is_file():
            return path
        shipped = Path(name).stem in shipped_recipes()
        hint = f"; {Path(name).stem} (without .yaml) is one that ships" if shipped else ""
        raise FileNotFoundError(f"no recipe {path}{hint}")
    path = shipped_folder("recipes") / f"{name}.yaml"
    if not path.is_file():
        raise FileNotFoundError(f"{unknown('recipe', name, shipped_recipes())}; a path ends in .yaml")
    return path


def folder_of_paths(path_or_name: str | Path, path: Path) -> Path:
    """What relative paths in a recipe are relative to: never a folder of the installed package."""
    return path.parent if is_path(str(path_or_name)) else Path.cwd()


def shipped_recipes() -> dict[str, Path]:
    """Every recipe that ships, by name; those in base/ are only for others to extend."""
    return {name: path for name, path in _shipped_files() if not name.startswith(_COMPARE)}


def shipped_comparisons() -> dict[str, Path]:
    """Every comparison that ships, by name: `compare_*.yaml` beside the recipes."""
    return {name: path for name, path in _shipped_files() if name.startswith(_COMPARE)}


# --- layers to values ----------------------------------------------------------------------------

_PLUGINS: dict[Keys, str] = {
    ("model",): "model",
    ("data", "common"): "data",
    ("data", "train"): "data",
    ("data", "pretrain"): "corpus",
    ("curriculum",): "curriculum",
    ("algorithm",): "algorithm",
    ("rollout",): "rollout",
    ("scorer",): "scorer",
    ("evaluation", "scorer"): "scorer",
    ("contribution", "scorer"): "scorer",
}
_PLUGIN_MAPS: dict[Keys, str] = {("data", "evaluate"): "data", ("rewards",): "reward"}
_DEFAULTS = {"algorithm": {"use": "grpo"}, "rollout": {"use": "transformers"}}
_COMPARE = "compare_"  # prefix of the names of comparisons that ship
_FORMER_KEYS = {  # what became of keys that once were; {} stands for the value that was found
    "data.lessons": "is now data.pretrain",
    "evaluation.bootstrap": "is gone, no interval is resampled; delete it",
    "evaluation.matcher": "is now evaluation.scorer: {{use: {}}}",
    "answer_correctness.mode": "is now scorer: {{use: {}}}",  # options by plug-in
    "answer_correctness.letters": "is now an option of its scorer, {{use: robust, letters: true}}",
    "answer_correctness.numbers": "is now an option of its scorer, {{use: robust, numbers: true}}",
    "cot_length.mode": "is now scorer: {{use: {}}}",
}


def _removes(keys: Keys) -> bool:
    return keys in _PLUGIN_MAPS


def _read_with_parents(path: Path, folder: Path, children: tuple[Path, ...]) -> Layer:
    if path in children:
        circle = " -> ".join(str(p) for p in (*children[children.index(path) :], path))
        raise ValueError(f"{children[-1]}: extends goes in a circle: {circle}")
    whole = _with_explicit_plugins(read_layer(path, folder))
    layer = whole.without("extends")
    parent = whole.values.get("extends")
    if parent is None:
        return layer
    where = whole.origin(("extends",)).where
    if not isinstance(parent, str):
        raise ValueError(f"{where}: extends: expected one recipe's name or path, found {parent!r}")
    try:
        parent_path = find_recipe(parent, path.parent)
    except FileNotFoundError as error:
        raise ValueError(f"{where}: extends: {error}") from error
    below = _read_with_parents(parent_path, folder_of_paths(parent, parent_path), (*children, path))
    return lay_over(below.without("name"), layer, _removes)  # a name is not inherited


def _override_order(text: str) -> tuple[int, bool]:
    """Wide keys before narrow ones and `use` before options, so that the order typed does not matter."""
    keys = text.partition("=")[0].split(".")
    return len(keys), keys[-1].strip() != "use"


def _with_explicit_plugins(layer: Layer) -> Layer:
    """The layer with `grpo` written as `{use: grpo}` and the user's files as absolute paths."""
    values = copy.deepcopy(layer.values)
    for keys, owner, _ in _plugin_places(values):
        spec = owner[keys[-1]]
        if isinstance(spec, str):
            spec = owner[keys[-1]] = {"use": spec}
        if isinstance(spec, dict) and isinstance(spec.get("use"), str) and is_path(spec["use"]):
            spec["use"] = str(absolute(spec["use"], layer.origin((*keys, "use")).folder))
    return Layer(values, layer.origins)


def _with_common_data(layer: Layer) -> Layer:
    """The layer with `data.common` laid under every set; a set with another `use` inherits nothing."""
    data = layer.values.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("common"), dict):
        return layer
    evaluate = data.get("evaluate")
    held_out = list(evaluate) if isinstance(evaluate, dict) else []
    alone = [name for name in ("train", "pretrain") if name in data]
    places = [*(("data", name) for name in alone), *(("data", "evaluate", name) for name in held_out)]
    common = {
        (*place, *keys[2:]): origin
        for keys, origin in layer.origins.items()
        for place in places
        if keys[:2] == ("data", "common")
    }
    sets = dict.fromkeys(alone, data["common"]) | {"evaluate": dict.fromkeys(held_out, data["common"])}
    below = Layer({"data": copy.deepcopy(sets)}, {(): layer.origin(()), **common})
    without_common = {key: value for key, value in data.items() if key != "common"}
    above = Layer({**layer.values, "data": without_common}, layer.origins)
    return lay_over(below, above, lambda keys: False)


def _resolved(layer: Layer) -> dict[str, Any]:
    """The values with `use` filled in and paths made absolute, each relative to where it was written."""
    values = copy.deepcopy(layer.values)
    for keys, owner, kind in _plugin_places(values):
        spec = owner[keys[-1]]
        if not isinstance(spec, dict):
            continue
        if keys[:-1] in _PLUGIN_MAPS:
            use = str(keys[-1])
            spec.setdefault("use", str(absolute(use, layer.origin(keys).folder)) if is_path(use) else use)
        for name, option in _options(kind, spec.get("use")).items():
            if name in spec:
                spec[name] = absolute_option(kind, option, spec[name], layer.origin((*keys, name)).folder)
    rewards = values.get("rewards")
    if isinstance(rewards, dict):  # a reward given by its file alone is named like the file
        values["rewards"] = {Path(key).stem if is_path(str(key)) else key: v for key, v in rewards.items()}
    contribution = values.get("contribution")
    if isinstance(contribution, dict) and isinstance(contribution.get("voters"), list):
        contribution["voters"] = [
            absolute_model(voter, layer.origin(("contribution", "voters", i)).folder)
            if isinstance(voter, str)
            else voter
            for i, voter in enumerate(contribution["voters"])
        ]
    return values


def _plugin_places(values: dict[str, Any]) -> Iterator[tuple[Keys, dict[Any, Any], str]]:
    """Keys of every plug-in in the values, the map that holds it, and its kind."""
    for keys in (*_PLUGINS, *_PLUGIN_MAPS):
        owner: Any = values
        for key in keys[:-1]:
            owner = owner.get(key) if isinstance(owner, dict) else None
        if not isinstance(owner, dict) or keys[-1] not in owner:
            continue
        if keys in _PLUGINS:
            yield keys, owner, _PLUGINS[keys]
        elif isinstance(owner[keys[-1]], dict):
            yield from (((*keys, name), owner[keys[-1]], _PLUGIN_MAPS[keys]) for name in owner[keys[-1]])
    rewards = values.get("rewards")
    for name, reward in rewards.items() if isinstance(rewards, dict) else ():
        if isinstance(reward, dict) and SCORER in reward:
            yield ("rewards", name, SCORER), reward, "scorer"


def _options(kind: str, use: Any) -> dict[str, Option]:
    try:
        return {o.name: o for o in plugins.describe(kind, use).options} if isinstance(use, str) else {}
    except (ValueError, FileNotFoundError):
        return {}  # `bind` raises the same later, with its place


def _shipped_files() -> Iterator[tuple[str, Path]]:
    folder = shipped_folder("recipes")
    for path in sorted(folder.rglob("*.yaml")):
        yield path.relative_to(folder).with_suffix("").as_posix(), path


# --- messages ------------------------------------------------------------------------------------


def _problems(error: ValidationError, layer: Layer, root: type[Section]) -> Iterator[str]:
    """One line per problem: file and line, key, what is wrong; unknown keys first, they explain others."""
    messages: dict[Keys, list[str]] = {}
    misspelt = [problem["loc"] for problem in error.errors() if problem["type"] == "extra_forbidden"]
    meant = {(*keys[:-1], closest(str(keys[-1]), _keys_at(keys[:-1], root))) for keys in misspelt}
    for problem in sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden"):
        if problem["type"] == "missing" and problem["loc"] in meant:
            continue
        keys: Keys = problem["loc"]
        while problem["type"] != "missing" and keys not in layer.origins:
            keys = keys[:-1]  # branches of unions and inner names of records are no keys of the recipe
        raised = problem.get("ctx", {}).get("error")
        if isinstance(raised, OptionError) and (*keys, raised.option) in layer.origins:
            keys = (*keys, raised.option)
        messages.setdefault(keys, []).append(_message(problem, keys, root))
    for keys, texts in messages.items():
        dotted = ".".join(map(str, keys))
        text = _former(keys, layer) or ": ".join(filter(None, [dotted, " or ".join(dict.fromkeys(texts))]))
        yield f"{layer.origin(keys).where}: {text}"
    file = Path(layer.origin(()).where)
    if file.parent == shipped_folder("recipes") / "base" and any(
        p["type"] == "missing" for p in error.errors()
    ):
        name = f"base/{file.stem}"
        yield f"{name} is a base, which a recipe completes that begins with 'extends: {name}'"


def _former(keys: Keys, layer: Layer) -> str | None:
    """What became of a key, or of a reward's option, that there is no longer."""
    if not keys or keys not in layer.origins:
        return None
    holder = layer.at(*keys[:-1]).values
    use = holder.get("use", keys[-2]) if keys[0] == "rewards" and len(keys) == 3 else None
    dotted = ".".join(map(str, keys))
    fate = _FORMER_KEYS.get(f"{use}.{keys[-1]}" if use else dotted)
    return fate and f"{dotted} {fate.format(holder[str(keys[-1])])}"


def _message(problem: Any, keys: Keys, root: type[Section]) -> str:
    if problem["type"] == "extra_forbidden":
        return unknown("key", str(keys[-1]), _keys_at(keys[:-1], root))
    if problem["type"] == "missing":
        return f"is missing; expected: {section_at(keys[:-1], root).model_fields[str(keys[-1])].description}"
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    if problem["type"] == "model_type":
        return f"expected a map of KEY: VALUE; found {problem['input']!r}"
    return f"{problem['msg']}; found {problem['input']!r}"


def _keys_at(keys: Keys, root: type[Section]) -> list[str]:
    """The keys of the section at these keys."""
    fields = list(section_at(keys, root).model_fields)
    return [*fields, "extends"] if root is Recipe and not keys else fields
