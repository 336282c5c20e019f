"""A comparison file: what all arms share, what each arm changes, and the seeds.

    base: tiny_weak_to_strong                # the recipe that every arm extends, by name or path
    set: {optimizer: {schedule: constant}}   # laid over it in every arm; or optimizer.schedule: constant
    arms:                                    # what an arm adds: any keys of a recipe
      grpo: {}
      dapo: {algorithm: dapo, sampling: {rounds: 3}}
    grid: {optimizer.lr: [1e-4, 3e-4]}       # every arm with every combination of values
    seeds: [0, 1, 2]
    baseline: grpo                           # what the others are tested against
    note: Text for the page.

Where neither the base nor the file names a budget (`training.max_rollouts`, `max_tokens`, `run_tokens`),
every arm may sample as many completions as the baseline plans to.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import Field

from rlaudio.config.finding import absolute, is_path, no_file
from rlaudio.config.recipe import find_recipe, folder_of_paths, load_recipe, name_with_files, validate
from rlaudio.config.schema import Recipe, keys_beside_results
from rlaudio.config.sections import MOST, Section, Seed
from rlaudio.config.shipped import shipped_comparisons
from rlaudio.runs.places import LOCK
from rlaudio.utils.names import check_name, plain_name, unknown
from rlaudio.utils.yaml_layers import Keys, Layer, Origin, read_layer, refuse_twice

RESERVED = ("logs", "shared", "comparison.yaml", "comparison.json", "comparison.html", LOCK)
MOST_ARMS = 1000
_PLUGINS = ("algorithm", "curriculum", "model", "rollout", "strategy")  # a value of the grid names itself
_REFUSED = {
    "seed": "list seeds under 'seeds'",
    "name": "runs are named by arm and seed",
    "extends": "name one recipe under 'base'",
}


class ComparisonFile(Section):
    """The keys of a comparison file."""

    base: str = Field(description="the recipe that every arm extends, by name or path")
    set: dict[str, Any] = Field(default={}, description="recipe keys laid over the base in every arm")
    arms: dict[str, dict[str, Any] | None] = Field(default={}, description="each arm's own recipe keys")
    grid: dict[str, list[Any]] = Field(default={}, description="values that every arm is run with, by key")
    seeds: list[Seed] = Field(default=[0, 1, 2], min_length=1, max_length=1000, description="seeds")
    baseline: str | None = Field(default=None, description="arm that others are tested against; the first")
    note: str = Field(default="", description="text for the page, such as how budgets were matched")


@dataclass(frozen=True)
class Arm:
    """A recipe that is run with every seed and compared with the others."""

    name: str
    recipe: Recipe
    says: Mapping[str, Any]  # the keys that it sets, dotted, and their values


@dataclass(frozen=True)
class Run:
    """One arm with one seed: an ordinary run."""

    arm: str
    seed: int
    recipe: Recipe

    @property
    def place(self) -> str:
        """Its folder within the comparison's."""
        return f"{self.arm}/seed-{self.seed}"


@dataclass(frozen=True)
class Comparison:
    """All arms and seeds of a comparison file."""

    name: str
    base: str
    note: str
    baseline: str
    seeds: tuple[int, ...]
    arms: tuple[Arm, ...]

    def with_seeds(self, added: Sequence[int]) -> Comparison:
        """The same with more seeds; one that it has already stays once. Raises ValueError for no seed."""
        if odd := [seed for seed in added if not 0 <= seed < 2**63]:
            raise ValueError(f"seed {odd[0]}: expected a number from 0 that fits into 64 bits")
        return replace(self, seeds=tuple(dict.fromkeys([*self.seeds, *added])))

    def runs(self) -> list[Run]:
        """All runs, every arm with the first seed before any with the second."""
        return [
            Run(arm.name, seed, _named(arm.recipe, plain_name(f"{self.name}-{arm.name}-seed-{seed}"), seed))
            for seed in self.seeds
            for arm in self.arms
        ]


def read_comparison(
    path_or_name: str | Path,
    overrides: Sequence[str] = (),
    *,
    before_use: Callable[[Recipe], object] = lambda recipe: None,
) -> Comparison:
    """The comparison in a YAML file or of a shipped name; `KEY=VALUE` overrides go over every arm's recipe.

    `before_use` is called with every arm's recipe before any plug-in of it runs.
    Raises FileNotFoundError if there is no such file, and ValueError that names file, line and key of every
    problem in it or in an arm's recipe.
    """
    path = find_comparison(path_or_name)
    layer = read_layer(path, folder_of_paths(path_or_name, path))
    file = validate(ComparisonFile, layer.values, layer)
    _check(file, layer)
    _refuse_overrides(overrides)
    arms = _recipes(file, layer, path, overrides, before_use)
    _refuse_equal(file, layer, arms)
    return Comparison(
        name=name_with_files(path.stem, overrides),
        base=file.base,
        note=file.note,
        baseline=_baseline(file, layer, [arm.name for arm in arms]),
        seeds=tuple(file.seeds),
        arms=tuple(arms),
    )


def find_comparison(path_or_name: str | Path) -> Path:
    """The file of a comparison: `x.yaml` is a path, a bare name one that ships.

    Raises FileNotFoundError, and ValueError for what cannot be a path.
    """
    name = str(path_or_name)
    if not is_path(name):
        shipped = shipped_comparisons()
        if name not in shipped:
            raise FileNotFoundError(unknown("comparison", name, shipped))
        return shipped[name]
    path = absolute(name, Path.cwd())
    if not path.is_file():
        raise FileNotFoundError(no_file(path))
    return path


def without_keys(values: Mapping[str, Any], keys: Set[str], prefix: str = "") -> dict[str, Any]:
    """The plain values of a recipe, nested, without those at dotted keys."""
    return {
        name: without_keys(value, keys, f"{prefix}{name}.") if isinstance(value, dict) else value
        for name, value in values.items()
        if f"{prefix}{name}" not in keys
    }


# --- checks --------------------------------------------------------------------------------------


def _check(file: ComparisonFile, layer: Layer) -> None:
    """Refuse a file without anything to compare, and keys that are not an arm's. Raises ValueError."""

    def refuse(keys: tuple[str, ...], message: str) -> None:
        raise ValueError(f"{layer.origin(keys).where}: {message}")

    if not file.arms and not file.grid:
        refuse((), "nothing to compare; name arms, or values of a key under 'grid'")
    for key, cells in file.grid.items():
        if not cells:
            refuse(("grid", key), f"grid.{key} has no values; name at least one")
    count = max(1, len(file.arms)) * math.prod(len(cells) for cells in file.grid.values())
    if count > MOST_ARMS:
        refuse(("grid",) if file.grid else ("arms",), f"{count:,} arms; expected at most {MOST_ARMS:,}")
    twice = sorted({seed for seed in file.seeds if file.seeds.count(seed) > 1})
    if twice:
        refuse(("seeds",), f"seed {twice[0]} is given twice; the same run twice gives the same numbers")
    places: dict[tuple[str, ...], Mapping[str, Any]] = {("set",): file.set, ("grid",): file.grid}
    places |= {("arms", name): values or {} for name, values in file.arms.items()}
    for place, values in places.items():
        for key in set(_REFUSED) & set(values):
            refuse((*place, key), f"{key} is not allowed here; {_REFUSED[key]}")


def _refuse_overrides(overrides: Sequence[str]) -> None:
    for text in overrides:
        key = text.partition("=")[0].strip()
        if key in _REFUSED:
            raise ValueError(f"-o {text}: {key} cannot be set for all arms; {_REFUSED[key]}")


def _check_names(file: ComparisonFile, layer: Layer, names: Sequence[str]) -> None:
    """Refuse names that cannot be folders in the same place. Raises ValueError."""
    seen: dict[str, str] = {}
    for name in names:
        with layer.telling(_keys_of_arm(file, name)):
            if name.casefold() in RESERVED:
                raise ValueError(f"an arm cannot be called {name!r}, which stands beside the folders of arms")
            check_name(name)
            if name.casefold() in seen:
                other = seen[name.casefold()]
                raise ValueError(f"arms {other!r} and {name!r} would share a folder; name them apart")
        seen[name.casefold()] = name


def _keys_of_arm(file: ComparisonFile, name: str) -> Keys:
    """Where the file gives an arm its name: among its arms, or by values of its grid."""
    arm = next((arm for arm in file.arms if name == arm or name.startswith(f"{arm},")), None)
    return ("grid",) if arm is None else ("arms", arm)


def _refuse_equal(file: ComparisonFile, layer: Layer, arms: Sequence[Arm]) -> None:
    """Refuse arms that differ in nothing but keys that enter no results."""
    free = {key for key, entered in keys_beside_results().items() if entered == "nothing"}
    recipes: dict[str, Arm] = {}
    for arm in arms:
        values = arm.recipe.model_dump(mode="json")
        same = recipes.setdefault(json.dumps(without_keys(values, free), default=str), arm)
        if same is arm:
            continue
        where = layer.origin(_keys_of_arm(file, arm.name)).where
        others = same.recipe.model_dump(mode="json")
        differing = [
            key
            for key in sorted(free)
            if without_keys(values, free - {key}) != without_keys(others, free - {key})
        ]
        only = f"differ in {', '.join(differing)} alone" if differing else "come to the same recipe"
        raise ValueError(
            f"{where}: arms {same.name!r} and {arm.name!r} {only} and would give the same numbers; change "
            "one of them, or add seeds to see the noise"
        )


def _baseline(file: ComparisonFile, layer: Layer, names: Sequence[str]) -> str:
    if file.baseline is not None and file.baseline not in names:
        where = layer.origin(("baseline",)).where
        raise ValueError(f"{where}: baseline: {unknown('arm', file.baseline, names)}")
    return file.baseline or names[0]


# --- recipes -------------------------------------------------------------------------------------


def _recipes(
    file: ComparisonFile,
    layer: Layer,
    path: Path,
    overrides: Sequence[str],
    before_use: Callable[[Recipe], object],
) -> list[Arm]:
    """Every arm's recipe. Raises ValueError with the problems of all arms, each once."""
    base = _base(file, layer, path)
    shared = _undotted(layer.at("set")) if file.set else []
    variants = [(name, [*of_arm, *cells]) for (name, of_arm), cells in _variants(file, layer)]
    names = [name for name, _ in variants]
    for above in [shared, *(above for _, above in variants)]:
        refuse_twice(above)
    _check_names(file, layer, names)
    baseline = _baseline(file, layer, names)
    recipes = _loaded(base, overrides, {name: [*shared, *above] for name, above in variants})
    for recipe in recipes.values():
        before_use(recipe)
    with layer.telling(_keys_of_arm(file, baseline)):
        budget = _default_budget(recipes[baseline], Origin(str(path), path.parent))
    if budget:
        recipes = _loaded(base, overrides, {name: [budget, *shared, *above] for name, above in variants})
    return [Arm(name, _named(recipes[name], "", 0), _flat(above)) for name, above in variants]


def _loaded(base: str, overrides: Sequence[str], layers: Mapping[str, Sequence[Layer]]) -> dict[str, Recipe]:
    """The base with every arm's layers. Raises ValueError with the problems of all arms, each once."""
    problems: dict[str, list[str]] = {}
    recipes = {}
    for name, above in layers.items():
        try:
            recipes[name] = load_recipe(base, overrides, layers=above)
        except ValueError as error:
            problems.setdefault(str(error), []).append(name)
    if problems:
        raise ValueError("\n".join(f"{text} (arm {', '.join(of)})" for text, of in problems.items()))
    return recipes


def _base(file: ComparisonFile, layer: Layer, path: Path) -> str:
    with layer.telling(("base",)):
        base = str(absolute(file.base, path.parent)) if is_path(file.base) else file.base
        find_recipe(base)
    return base


def _variants(
    file: ComparisonFile, layer: Layer
) -> Iterator[tuple[tuple[str, list[Layer]], tuple[Layer, ...]]]:
    """Every arm with every point of the grid: ((name, the arm's layers), the point's layers)."""
    arms = [(name, _undotted(layer.at("arms", name))) for name in file.arms] or [("", [])]
    axes = [
        [(_label(key, value), _cell(layer, key, number)) for number, value in enumerate(values)]
        for key, values in file.grid.items()
    ]
    for (name, of_arm), point in itertools.product(arms, itertools.product(*axes)):
        labels = [label for label, _ in point]
        yield (",".join(filter(None, [name, *labels])), of_arm), tuple(cell for _, cell in point)


def _undotted(layer: Layer) -> list[Layer]:
    """The layer as layers of nested maps: `optimizer.lr` becomes the key lr of optimizer; wide keys first."""
    dotted = sorted((key for key in layer.values if "." in key), key=lambda key: key.count("."))
    plain = Layer({k: v for k, v in layer.values.items() if k not in dotted}, layer.origins)
    return [plain, *(_nested(layer, (key,), layer.values[key], key) for key in dotted)]


def _cell(layer: Layer, key: str, number: int) -> Layer:
    """One value of the grid as a layer over a recipe."""
    return _nested(layer, ("grid", key, number), layer.values["grid"][key][number], key)


def _nested(layer: Layer, here: tuple[Any, ...], value: Any, key: str) -> Layer:
    """The value at `here` in the layer, as a layer of its own in which it stands at a dotted key."""
    *outer, last = key.split(".")
    depth = len(here)
    inside = {(last, *k[depth:]): origin for k, origin in layer.origins.items() if k[:depth] == here}
    return Layer({last: value}, {(): layer.origin(here), **inside}).below(*outer)


def _label(key: str, value: Any) -> str:
    """A value of the grid as a part of an arm's name: `dapo`, `lr=0.0003`."""
    last = key.split(".")[-1]
    if isinstance(value, dict):
        options = [f"{k}={v}" for k, v in value.items() if k != "use"]
        text = ",".join([*([_stem(value["use"])] if "use" in value else []), *options])
    elif key in _PLUGINS and isinstance(value, str):
        text = _stem(value)
    else:
        text = f"{last}={value}"
    return plain_name(text)


def _stem(use: Any) -> str:
    return Path(str(use)).stem if is_path(str(use)) else str(use)


def _default_budget(baseline: Recipe, origin: Origin) -> Layer | None:
    """The baseline's planned completions as a limit for all arms, unless it has a limit or no known steps."""
    training, steps = baseline.training, baseline.curriculum.options.get("rl_steps")
    budgets = (training.max_rollouts, training.max_tokens, training.run_tokens)
    if any(budgets) or not isinstance(steps, int):
        return None
    from rlaudio.builder.rl_settings import asked_in_silence

    silent = asked_in_silence(baseline, baseline.curriculum.options.get("refresh_every") or 0)
    of_question = steps * baseline.sampling.group_size + silent.completions(steps)  # drawn once a step
    planned = baseline.sampling.questions * of_question
    if planned > MOST:
        raise ValueError(
            f"plans {planned:,} completions, which is every arm's budget where the file names none; expected "
            f"at most {MOST:,}; name one, as training.max_rollouts under 'set'"
        )
    return Layer({"training": {"max_rollouts": planned}}, {(): origin})


def _named(recipe: Recipe, name: str, seed: int) -> Recipe:
    return recipe.model_copy(update={"name": name, "seed": seed})


def _flat(layers: Sequence[Layer]) -> dict[str, Any]:
    """The values of the layers, by dotted key; a plug-in with its options is one value."""
    flat: dict[str, Any] = {}

    def walk(prefix: str, values: Mapping[str, Any]) -> None:
        for key, value in values.items():
            if isinstance(value, Mapping) and "use" not in value and value:
                walk(f"{prefix}{key}.", value)
            else:
                flat[f"{prefix}{key}"] = value

    for layer in layers:
        walk("", layer.values)
    return flat
