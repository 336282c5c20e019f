"""Recipes: one YAML file defines a run. This file reads them; `schema.py` defines their keys.

    extends: base/tiny                       # one parent, by name or path; maps merge, all else replaces
    curriculum: {use: weak_to_strong}        # `use` names a plug-in, every other key is its option
    rewards: {format: {weight: 0.5}}         # in maps of plug-ins the key is the default of `use`

`-o base/equal_budget` lays another file over it, `-o key.key=value` comes last. Relative paths are relative
to the file that names them; on the command line, and in a recipe that ships and was asked for by name, to
the working folder.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from rlaudio.config import plugins
from rlaudio.config.common_data import with_common_data
from rlaudio.config.finding import absolute, absolute_model, absolute_option, explicit, is_path, no_file
from rlaudio.config.layers import OF_NO_PLUGIN, PLUGIN_MAPS, lay_over, plugin_places, value_at
from rlaudio.config.problems import problems
from rlaudio.config.schema import Recipe
from rlaudio.config.sections import Section
from rlaudio.config.shipped import KINDS, available, kinds_of, recipe_files, shipped_recipes
from rlaudio.contribution import VOTE
from rlaudio.utils.messages import dotted, shown
from rlaudio.utils.names import plain_name, unknown
from rlaudio.utils.number_format import thousands
from rlaudio.utils.yaml_layers import Keys, Layer, Origin, read_layer, read_override

__all__ = ["Recipe", "find_recipe", "folder_of_paths", "load_recipe", "name_with_files", "validate"]

S = TypeVar("S", bound=Section)
_MOST_TOLD = 30  # problems at once


def load_recipe(
    path_or_name: str | Path, overrides: Sequence[str] = (), *, layers: Sequence[Layer] = ()
) -> Recipe:
    """The recipe in a YAML file or of a shipped name (`tiny_weak_to_strong`), overrides applied.

    An override is `KEY=VALUE`, or the name or path of a file that is laid over this one. `layers` come first,
    then such files, both in their order, then keys; the files' names are added to the recipe's. Raises
    FileNotFoundError if there is no such file, and ValueError that names file, line and key of every problem
    in it.

    From here on `reward_timeout` is the limit of importing plug-ins, too.
    """
    path = find_recipe(path_or_name)
    defaults = Layer({"name": plain_name(path.stem), **_DEFAULTS}, {(): Origin(f"{path}:1", path.parent)})
    with_parents = _read_with_parents(path, folder_of_paths(path_or_name, path), ())
    of_parents = {o for o in with_parents.origins.values() if not o.where.startswith(f"{path}:")}
    layer = lay_over(defaults, with_parents)
    for key in {"arms", "grid"} & set(layer.values):
        where = layer.origin((key,)).where
        raise ValueError(f"{where}: {key}: this is a comparison, not a recipe; run it with 'rlaudio compare'")
    for above in [*layers, *_overlays(overrides)]:
        layer = lay_over(layer, _with_explicit_plugins(above))
    if isinstance(name := layer.values["name"], str):
        layer = layer.with_value("name", name_with_files(name, overrides))
    keyed = [(_keys_of(text), text) for text in overrides if "=" in text]
    # Wide keys before narrow ones and `use` before options, so that the order typed does not matter.
    for keys, text in sorted(keyed, key=lambda entry: (len(entry[0]), entry[0][-1] != "use")):
        override = _with_explicit_plugins(read_override(text, Path.cwd()))
        _refuse_lost_options(layer, override, keys)
        _refuse_options_of_nothing(layer, override, keys)
        layer = lay_over(layer, override)
    layer = _named_like_files(with_common_data(layer))
    recipe = validate(Recipe, _resolved(layer), layer)
    plugins.import_seconds.set(recipe.reward_timeout)
    return recipe.inheriting(dotted(keys) for keys, o in layer.origins.items() if o in of_parents)


def name_with_files(name: str, overrides: Sequence[str]) -> str:
    """A recipe's name with those of the files laid over it, so that the run has a folder of its own."""
    return "+".join([name, *(plain_name(Path(text).stem) for text in overrides if "=" not in text)])


def validate(section: type[S], values: dict[str, Any], layer: Layer) -> S:
    """The section with these values; `layer` has the origin of each.

    Raises ValueError that names file, line and key of every problem.
    """
    try:
        return section.model_validate(values)
    except ValidationError as error:
        told = [*problems(error, layer, section)]
        more = [f"and {thousands(len(told) - _MOST_TOLD)} more"] * (len(told) > _MOST_TOLD)
        raise ValueError("\n".join(told[:_MOST_TOLD] + more)) from error


def find_recipe(path_or_name: str | Path, relative_to: Path | None = None) -> Path:
    """The file of a recipe: `x.yaml` is a path, relative to a folder; a bare name is one that ships.

    Raises FileNotFoundError, and ValueError for what cannot be a path.
    """
    name = str(path_or_name)
    if is_path(name):
        path = absolute(name, relative_to or Path.cwd())
        if path.is_file():
            return path
        stem = Path(name).stem
        ships = next((n for n in (stem, f"base/{stem}") if n in shipped_recipes()), None)
        hint = f"; {ships} (without .yaml) is one that ships" if ships else ""
        raise FileNotFoundError(f"{no_file(path, 'recipe')}{hint}")
    files = dict(recipe_files())
    if name not in files:
        hint = "".join(_plugin_hints(name)) or "; a path ends in .yaml"
        raise FileNotFoundError(f"{unknown('recipe', name, shipped_recipes())}{hint}")
    return files[name]


def _plugin_hints(name: str) -> Iterator[str]:
    """Which command shows a plug-in that was named for a recipe: "format", "reward:format", "rewards"."""
    first, _, plugin = name.partition(":")
    stated = next((kind for kind in KINDS if first in (kind, f"{kind}s")), None)
    if stated:
        yield f"; for plug-ins: rlaudio list {stated}{f' {plugin}' * bool(plugin)}"
    else:
        yield from (f"; for the {kind} of that name: rlaudio list {kind} {name}" for kind in kinds_of(name))


def folder_of_paths(path_or_name: str | Path, path: Path) -> Path:
    """What relative paths in a recipe are relative to: never a folder of the installed package."""
    return path.parent if is_path(str(path_or_name)) else Path.cwd()


# --- layers to values ----------------------------------------------------------------------------

_DEFAULTS = {
    "algorithm": {"use": "grpo"},
    "rollout": {"use": "transformers"},
    "contribution": {"use": VOTE},
}
_MAX_PARENTS = 30  # recipes that extend each other


def _read_with_parents(path: Path, folder: Path, children: tuple[Path, ...]) -> Layer:
    whole = _with_explicit_plugins(read_layer(path, folder))
    layer = whole.without("extends")
    parent = whole.values.get("extends")
    if parent is None:
        return layer
    where = whole.origin(("extends",)).where
    if not isinstance(parent, str):
        raise ValueError(f"{where}: extends: expected one recipe's name or path, found {shown(parent)}")
    try:
        parent_path = find_recipe(parent, path.parent)
    except (FileNotFoundError, ValueError) as error:
        raise ValueError(f"{where}: extends: {error}") from error
    line = (*children, path)
    if parent_path in line:
        circle = " -> ".join(str(p) for p in (*line[line.index(parent_path) :], parent_path))
        raise ValueError(f"{where}: extends: goes in a circle: {circle}")
    if len(line) > _MAX_PARENTS:
        raise ValueError(f"{where}: extends: more than {_MAX_PARENTS} recipes extend each other")
    below = _read_with_parents(parent_path, folder_of_paths(parent, parent_path), line)
    return lay_over(below.without("name"), layer)  # a name is not inherited


def _overlays(overrides: Sequence[str]) -> Iterator[Layer]:
    """The files among the overrides, each with its parents. Raises ValueError where one is no such file."""
    for text in (text for text in overrides if "=" not in text):
        try:
            path = find_recipe(text)
        except (FileNotFoundError, ValueError) as error:
            raise ValueError(
                f"-o {shown(text)}: expected KEY=VALUE, such as -o optimizer.lr=2e-6, or a file to lay over "
                f"the recipe, such as -o base/equal_budget; {error}"
            ) from error
        yield _read_with_parents(path, folder_of_paths(text, path), ()).without("name")


def _keys_of(override: str) -> tuple[str, ...]:
    return tuple(key.strip() for key in override.partition("=")[0].split("."))


def _with_explicit_plugins(layer: Layer) -> Layer:
    """The layer with `grpo` written as `{use: grpo}` and the user's files as absolute paths."""
    values, origins = copy.deepcopy(layer.values), dict(layer.origins)
    for keys, owner, kind in plugin_places(values):
        spec, name = owner[keys[-1]], str(keys[-1])
        if isinstance(spec, str):
            with layer.telling(keys):
                spec = owner[keys[-1]] = explicit(kind, spec)
            origins[(*keys, "use")] = layer.origin(keys)
        if isinstance(spec, dict) and keys[:-1] in PLUGIN_MAPS and is_path(name):
            spec.setdefault("use", name)
        if isinstance(spec, dict) and isinstance(spec.get("use"), str) and is_path(spec["use"]):
            with layer.telling((*keys, "use")) as origin:
                spec["use"] = str(absolute(spec["use"], origin.folder))
    return Layer(values, origins)


def _refuse_lost_options(layer: Layer, override: Layer, given: Keys) -> None:
    """Refuse `-o algorithm.use=dapo` where the recipe has options of another. Raises ValueError."""
    for keys, owner, _ in plugin_places(override.values):
        before, spec = value_at(layer.values, keys), owner[keys[-1]]
        where = override.origin((*keys, "use")).where
        alone = isinstance(spec, dict) and given == (*keys, "use")
        if not alone or not isinstance(before, dict) or before.get("use", keys[-1]) == spec["use"]:
            continue
        options = [name for name in before if name != "use" and name not in OF_NO_PLUGIN.get(keys, ())]
        if lost := [f"{name} ({layer.origin((*keys, name)).where})" for name in options]:
            raise ValueError(
                f"{where}: would drop options of {before.get('use', keys[-1])}: {', '.join(lost)}; to begin "
                f"anew write -o '{dotted(keys)}={{use: {spec['use']}, ...}}' with the options that it needs"
            )


def _refuse_options_of_nothing(layer: Layer, override: Layer, keys: tuple[str, ...]) -> None:
    """Refuse `-o data.evaluate.tset.count=5` where no set has that name. Raises ValueError."""
    for place, kind in PLUGIN_MAPS.items():
        if keys[: len(place)] != place or len(keys) < len(place) + 2 or keys[-1] == "use":
            continue
        name, entries = keys[len(place)], value_at(layer.values, place)
        is_plugin = is_path(name) or name in available(kind)
        if isinstance(entries, dict) and name not in entries and not is_plugin:
            known = {*entries, *(available(kind) if kind == "reward" else ())}
            said = unknown(f"name in {dotted(place)}", name, known)
            raise ValueError(f"{override.origin(keys).where}: {said}")


def _named_like_files(layer: Layer) -> Layer:
    """The layer with rewards and held-out sets that are given by their files alone named like these.

    Raises ValueError where two have one name.
    """
    renamed = layer
    for place in PLUGIN_MAPS:
        named: dict[str, str] = {}
        entries = value_at(layer.values, place)
        for key in entries if isinstance(entries, dict) else ():
            name = Path(key).stem if _is_its_own_file(key, entries[key]) else key
            other = named.setdefault(name, key)
            if other != key:
                here, there = layer.origin((*place, key)).where, layer.origin((*place, other)).where
                raise ValueError(
                    f"{here}: {dotted((*place, key))}: would be called {name}, as {other} is ({there}); "
                    f"give one a name of its own, as in {dotted(place)}: {{other_{name}: {{use: {key}}}}}"
                )
            renamed = renamed.renamed((*place, key), name)
    return renamed


def _is_its_own_file(key: str, spec: Any) -> bool:
    """Whether an entry such as `./shout.py: {}` is named by the file that it uses."""
    use = spec.get("use") if isinstance(spec, dict) else None
    return is_path(key) and isinstance(use, str) and is_path(use) and Path(use).name == Path(key).name


def _resolved(layer: Layer) -> dict[str, Any]:
    """The values with `use` filled in and paths made absolute, each relative to where it was written."""
    values = copy.deepcopy(layer.values)
    for keys, owner, kind in plugin_places(values):
        spec = owner[keys[-1]]
        if not isinstance(spec, dict):
            continue
        if keys[:-1] in PLUGIN_MAPS:
            spec.setdefault("use", str(keys[-1]))
        for name, option in plugins.options_of(kind, spec.get("use")).items():
            if name in spec:
                with layer.telling((*keys, name)) as origin:
                    spec[name] = absolute_option(kind, option, spec[name], origin.folder)
    voters = value_at(layer.values, ("contribution", "voters"))
    for number, voter in enumerate(voters if isinstance(voters, list) else ()):
        if isinstance(voter, str):
            with layer.telling(("contribution", "voters", number)) as origin:
                values["contribution"]["voters"][number] = absolute_model(voter, origin.folder)
    return values
