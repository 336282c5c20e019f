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
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from rlaudio.config import plugins
from rlaudio.config.layers import Keys, Layer, Origin, lay_over, read_layer, read_override
from rlaudio.config.names import plain_name
from rlaudio.config.plugins import (
    OptionError,
    UnknownPlugIn,
    absolute,
    absolute_model,
    absolute_option,
    closest,
    explicit,
    is_path,
    no_file,
    unknown,
)
from rlaudio.config.schema import Recipe, section_at
from rlaudio.config.sections import ContributionSection, Section, SectionError
from rlaudio.config.shipped import NESTED, recipe_files, shipped_folder, shipped_recipes
from rlaudio.config.signatures import Option
from rlaudio.contribution import VOTE
from rlaudio.utils.messages import dotted, shown

__all__ = ["Recipe", "find_recipe", "folder_of_paths", "load_recipe", "name_with_files", "validate"]

S = TypeVar("S", bound=Section)


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
    layer = lay_over(defaults, with_parents, _removes, _empties, _keeps)
    for key in {"arms", "grid"} & set(layer.values):
        where = layer.origin((key,)).where
        raise ValueError(f"{where}: {key}: this is a comparison, not a recipe; run it with 'rlaudio compare'")
    for above in [*layers, *_overlays(overrides)]:
        layer = lay_over(layer, _with_explicit_plugins(above), _removes, _empties, _keeps)
    if isinstance(name := layer.values["name"], str):
        layer = layer.with_value("name", name_with_files(name, overrides))
    for text in sorted(filter(_is_key, overrides), key=_override_order):
        override = _with_explicit_plugins(read_override(text, Path.cwd()))
        _refuse_lost_options(layer, override)
        _refuse_options_of_nothing(layer, override, text)
        layer = lay_over(layer, override, _removes, _empties, _keeps)
    layer = _named_like_files(_with_common_data(layer))
    recipe = validate(Recipe, _resolved(layer), layer)
    plugins.import_seconds.set(recipe.reward_timeout)
    return recipe.inheriting(dotted(keys) for keys, o in layer.origins.items() if o in of_parents)


def name_with_files(name: str, overrides: Sequence[str]) -> str:
    """A recipe's name with those of the files laid over it, so that the run has a folder of its own."""
    return "+".join([name, *(plain_name(Path(text).stem) for text in overrides if not _is_key(text))])


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

    Raises FileNotFoundError, and ValueError for what cannot be a path.
    """
    name = str(path_or_name)
    if is_path(name):
        path = absolute(name, relative_to or Path.cwd())
        if path.is_file():
            return path
        shipped = Path(name).stem in shipped_recipes()
        hint = f"; {Path(name).stem} (without .yaml) is one that ships" if shipped else ""
        raise FileNotFoundError(f"{no_file(path, 'recipe')}{hint}")
    files = dict(recipe_files())
    if name not in files:
        raise FileNotFoundError(f"{unknown('recipe', name, shipped_recipes())}; a path ends in .yaml")
    return files[name]


def folder_of_paths(path_or_name: str | Path, path: Path) -> Path:
    """What relative paths in a recipe are relative to: never a folder of the installed package."""
    return path.parent if is_path(str(path_or_name)) else Path.cwd()


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
    ("contribution",): "contribution",
    ("contribution", "scorer"): "scorer",
}
_PLUGIN_MAPS: dict[Keys, str] = {("data", "evaluate"): "data", ("rewards",): "reward"}
_DEFAULTS = {
    "algorithm": {"use": "grpo"},
    "rollout": {"use": "transformers"},
    "contribution": {"use": VOTE},
}
_MAX_PARENTS = 30  # recipes that extend each other
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
    """Whether null takes away what stands at these keys: one of a map of plug-ins."""
    return keys[:-1] in _PLUGIN_MAPS


def _empties(keys: Keys) -> bool:
    """Whether null takes away all plug-ins of the map at these keys."""
    return keys in _PLUGIN_MAPS


def _keeps(keys: Keys) -> Collection[str]:
    """Keys of a map with `use` that are no options of it, and hold whatever it names."""
    return ContributionSection.model_fields.keys() - {"use"} if keys == ("contribution",) else ()


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
    return lay_over(below.without("name"), layer, _removes, _empties, _keeps)  # a name is not inherited


def _is_key(override: str) -> bool:
    return "=" in override


def _overlays(overrides: Sequence[str]) -> Iterator[Layer]:
    """The files among the overrides, each with its parents. Raises ValueError where one is no such file."""
    for text in overrides:
        if _is_key(text):
            continue
        try:
            path = find_recipe(text)
        except (FileNotFoundError, ValueError) as error:
            raise ValueError(
                f"-o {shown(text)}: expected KEY=VALUE, such as -o optimizer.lr=2e-6, or a file to lay over "
                f"the recipe, such as -o base/equal_budget; {error}"
            ) from error
        yield _read_with_parents(path, folder_of_paths(text, path), ()).without("name")


def _override_order(text: str) -> tuple[int, bool]:
    """Wide keys before narrow ones and `use` before options, so that the order typed does not matter."""
    keys = text.partition("=")[0].split(".")
    return len(keys), keys[-1].strip() != "use"


def _with_explicit_plugins(layer: Layer) -> Layer:
    """The layer with `grpo` written as `{use: grpo}` and the user's files as absolute paths."""
    values, origins = copy.deepcopy(layer.values), dict(layer.origins)
    for keys, owner, kind in _plugin_places(values):
        spec, name = owner[keys[-1]], str(keys[-1])
        if isinstance(spec, str):
            with _told_at(layer, keys):
                spec = owner[keys[-1]] = explicit(kind, spec)
            origins[(*keys, "use")] = layer.origin(keys)
        if isinstance(spec, dict) and keys[:-1] in _PLUGIN_MAPS and is_path(name):
            spec.setdefault("use", name)
        if isinstance(spec, dict) and isinstance(spec.get("use"), str) and is_path(spec["use"]):
            with _told_at(layer, (*keys, "use")) as origin:
                spec["use"] = str(absolute(spec["use"], origin.folder))
    return Layer(values, origins)


def _refuse_lost_options(layer: Layer, override: Layer) -> None:
    """Refuse `-o algorithm.use=dapo` where the recipe has options of another. Raises ValueError."""
    for keys, owner, _ in _plugin_places(override.values):
        before, spec = _value_at(layer, keys), owner[keys[-1]]
        where = override.origin((*keys, "use")).where
        alone = isinstance(spec, dict) and f"{dotted(keys)}.use" == _key_of(where)
        if not alone or not isinstance(before, dict) or before.get("use", keys[-1]) == spec["use"]:
            continue
        options = [name for name in before if name != "use" and name not in _keeps(keys)]
        if lost := [f"{name} ({layer.origin((*keys, name)).where})" for name in options]:
            raise ValueError(
                f"{where}: would drop options of {before.get('use', keys[-1])}: {', '.join(lost)}; to begin "
                f"anew write -o '{dotted(keys)}={{use: {spec['use']}, ...}}' with the options that it needs"
            )


def _refuse_options_of_nothing(layer: Layer, override: Layer, text: str) -> None:
    """Refuse `-o data.evaluate.tset.count=5` where no set has that name. Raises ValueError."""
    keys = tuple(key.strip() for key in text.partition("=")[0].split("."))
    for place, kind in _PLUGIN_MAPS.items():
        if keys[: len(place)] != place or len(keys) < len(place) + 2 or keys[-1] == "use":
            continue
        name, entries = keys[len(place)], _value_at(layer, place)
        is_plugin = is_path(name) or name in plugins.available(kind)
        if isinstance(entries, dict) and name not in entries and not is_plugin:
            known = {*entries, *(plugins.available(kind) if kind == "reward" else ())}
            said = unknown(f"name in {dotted(place)}", name, known)
            raise ValueError(f"{override.origin(keys).where}: {said}")


def _with_common_data(layer: Layer) -> Layer:
    """The layer with `data.common` laid under every set; a set with another `use` inherits nothing.

    Raises ValueError where no set inherits it, or not one of its options.
    """
    data = layer.values.get("data")
    if not isinstance(data, dict) or "common" not in data:
        return layer
    common, where = data["common"] or {}, layer.origin(("data", "common")).where
    if not isinstance(common, dict):
        raise ValueError(f"{where}: data.common: expected options of data sets; found {shown(common)}")
    above = Layer({**layer.values, "data": {k: v for k, v in data.items() if k != "common"}}, layer.origins)
    evaluate = data.get("evaluate")
    held_out = evaluate if isinstance(evaluate, dict) else {}
    places: dict[Keys, Any] = {("data", name): data[name] for name in ("train", "pretrain") if name in data}
    places |= {("data", "evaluate", str(name)): spec for name, spec in held_out.items()}
    takes = {
        keys: spec for keys, spec in places.items() if isinstance(spec, dict) and _takes(keys, spec, common)
    }
    if common and not takes:
        use = f"use: {common['use']}" if "use" in common else "options"
        raise ValueError(
            f"{where}: data.common ({use}) would be dropped: every set names another plug-in with use; "
            "delete it, or leave 'use' out of the sets that it is meant for"
        )
    for name in common if takes else ():
        if name != "use" and all(_overrides(spec, common, name) for spec in takes.values()):
            sets = ", ".join(f"{dotted(keys)} ({layer.origin((*keys, name)).where})" for keys in takes)
            raise ValueError(
                f"{layer.origin(('data', 'common', name)).where}: data.common.{name} would reach no set: "
                f"each has its own {name}, {sets}; change it there, or delete it in one of both places"
            )
    for keys, spec in takes.items():
        below = layer.at("data", "common").with_value("use", spec.get("use"))
        merged = lay_over(below.below(*keys), above, lambda keys: False)
        above = Layer(merged.values, {**merged.origins, **above.origins})
    return above


def _takes(keys: Keys, spec: dict[str, Any], common: dict[str, Any]) -> bool:
    """Whether a data set inherits the common options: it names their plug-in, or they or it name none.

    A held-out set that is called like a plug-in, such as `mmau`, names it.
    """
    is_plugin = keys[:-1] in _PLUGIN_MAPS and keys[-1] in plugins.available("data")
    use = spec.get("use", keys[-1] if is_plugin else None)
    return "use" not in common or use in (None, common["use"])


def _overrides(spec: dict[str, Any], common: dict[str, Any], name: str) -> bool:
    """Whether nothing of a common option is left in a set; two maps merge."""
    return name in spec and not (isinstance(spec[name], dict) and isinstance(common[name], dict))


def _named_like_files(layer: Layer) -> Layer:
    """The layer with rewards and held-out sets that are given by their files alone named like these.

    Raises ValueError where two have one name.
    """
    renamed = layer
    for place in _PLUGIN_MAPS:
        named: dict[str, str] = {}
        entries = _value_at(layer, place)
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
    for keys, owner, kind in _plugin_places(values):
        spec = owner[keys[-1]]
        if not isinstance(spec, dict):
            continue
        if keys[:-1] in _PLUGIN_MAPS:
            spec.setdefault("use", str(keys[-1]))
        for name, option in _options(kind, spec.get("use")).items():
            if name in spec:
                with _told_at(layer, (*keys, name)) as origin:
                    spec[name] = absolute_option(kind, option, spec[name], origin.folder)
    voters = _value_at(layer, ("contribution", "voters"))
    for number, voter in enumerate(voters if isinstance(voters, list) else ()):
        if isinstance(voter, str):
            with _told_at(layer, ("contribution", "voters", number)) as origin:
                values["contribution"]["voters"][number] = absolute_model(voter, origin.folder)
    return values


@contextmanager
def _told_at(layer: Layer, keys: Keys) -> Iterator[Origin]:
    """The origin of an entry, which stands before what is raised about it."""
    origin = layer.origin(keys)
    try:
        yield origin
    except (ValueError, OSError) as error:
        raise ValueError(f"{origin.where}: {dotted(keys)}: {error}") from error


def _value_at(layer: Layer, keys: Keys) -> Any:
    """The value at these keys; None where there is none."""
    value: Any = layer.values
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _plugin_places(values: dict[str, Any]) -> Iterator[tuple[Keys, dict[Any, Any], str]]:
    """Keys of every plug-in in the values, the map that holds it, and its kind."""
    for keys in (*_PLUGINS, *_PLUGIN_MAPS):
        owner: Any = values
        for key in keys[:-1]:
            owner = owner.get(key) if isinstance(owner, dict) else None
        if not isinstance(owner, dict) or keys[-1] not in owner:
            continue
        if keys in _PLUGINS:
            yield from _with_nested(keys, owner, _PLUGINS[keys])
        elif isinstance(owner[keys[-1]], dict):
            for name in owner[keys[-1]]:
                yield from _with_nested((*keys, name), owner[keys[-1]], _PLUGIN_MAPS[keys])


def _with_nested(keys: Keys, owner: dict[Any, Any], kind: str) -> Iterator[tuple[Keys, dict[Any, Any], str]]:
    """A plug-in's place, then those of its options that are plug-ins."""
    yield keys, owner, kind
    spec = owner[keys[-1]]  # now: whoever got the place may have put another value there
    for option, of_kind in NESTED.get(kind, {}).items():
        if isinstance(spec, dict) and spec.get(option) is not None:
            yield from _with_nested((*keys, option), spec, of_kind)


def _options(kind: str, use: Any) -> dict[str, Option]:
    try:
        return {o.name: o for o in plugins.describe(kind, use).options} if isinstance(use, str) else {}
    except (ValueError, OSError):
        return {}  # `bind` raises the same later, with its place


# --- messages ------------------------------------------------------------------------------------


def _problems(error: ValidationError, layer: Layer, root: type[Section]) -> Iterator[str]:
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
    if not keys or keys not in layer.origins:
        return None
    holder = layer.at(*keys[:-1]).values
    use = holder.get("use", keys[-2]) if keys[0] == "rewards" and len(keys) == 3 else None
    fate = _FORMER_KEYS.get(f"{use}.{keys[-1]}" if use else dotted(keys))
    return fate and f"{dotted(keys)} {fate.format(holder[str(keys[-1])])}"


def _message(problem: Any, keys: Keys, root: type[Section]) -> str:
    if problem["type"] == "extra_forbidden" and root is Recipe and keys == ("extends",):
        return "is a key of a recipe's file alone, and cannot be laid over one"
    if problem["type"] == "extra_forbidden":
        return unknown("key", str(keys[-1]), _keys_at(keys[:-1], root))
    if problem["type"] == "missing":
        field = section_at(keys[:-1], root).model_fields.get(str(keys[-1]))
        return f"is missing; expected: {field.description if field else 'a value'}"
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    if problem["type"] == "model_type":
        return f"expected a map of KEY: VALUE; found {shown(problem['input'])}"
    return f"{problem['msg']}; found {shown(problem['input'])}"


def _keys_at(keys: Keys, root: type[Section]) -> list[str]:
    """The keys of the section at these keys."""
    fields = list(section_at(keys, root).model_fields)
    return [*fields, "extends"] if root is Recipe and not keys else fields


def _key_of(where: str) -> str:
    """The key of an override by its origin's text."""
    return where.removeprefix("-o ").partition("=")[0].strip()
