"""The recipes and plug-ins that ship: their names, files and signatures. Nothing of them is imported."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from rlaudio.config.signatures import Signature, read_signature

PACKAGE = Path(__file__).parents[1]

# Where the plug-ins of a kind that ship are found: {name} stands for the name in a recipe.
_PLACES: Mapping[str, tuple[str, ...]] = {
    "algorithm": ("algorithms/{name}.py",),
    "curriculum": ("curricula/{name}.py",),
    "model": ("models/{name}.py", "models/{name}/__init__.py"),
    "rollout": ("rollout/{name}.py", "rollout/vllm/{name}.py"),
    "data": ("data/{name}.py", "worlds/{name}/__init__.py"),
    "corpus": ("worlds/{name}/{name}_corpus.py",),
    "strategy": ("training/strategies/{name}.py",),
    "scorer": ("scorers/{name}.py", "scorers/benchmarks/{name}_rule.py"),
    "judge": ("scorers/judges/{name}.py",),
    "embedder": ("scorers/embedders/{name}.py",),
    "contribution": ("contribution/methods/{name}.py",),
}
KINDS = ("reward", *_PLACES)
GIVEN: Mapping[str, tuple[tuple[str, ...], ...]] = {  # positional parameters, which rlaudio passes
    "reward": (("question", "completion"), ("group",), ("group", "silent")),
    "algorithm": ((),),
    "curriculum": (("questions", "contributions", "rng"),),
    "model": ((),),
    "rollout": (("family",),),
    "data": ((),),
    "corpus": (("role",),),
    "strategy": (("module", "settings", "processes"),),
    "scorer": (("question", "text"),),
    "judge": (("question", "answer", "text"), ()),  # (): a class, whose objects are called so
    "embedder": (("texts",), ()),
    "contribution": (("questions", "voters", "settings"),),
}
_PARTS = {"judge": "judge", "embedder": "embedder"}
NESTED: Mapping[str, Mapping[str, str]] = {  # options of a kind that are plug-ins themselves, and their kind
    "reward": {"scorer": "scorer", **_PARTS},
    "scorer": _PARTS,
    "data": _PARTS,
}
_COMPARE = "compare_"  # prefix of the names of comparisons


def shipped_folder(name: str) -> Path:
    """The folder of recipes or rewards that ships: inside an installed wheel, else beside the package."""
    inside = PACKAGE / "_shipped" / name
    return inside if inside.is_dir() else PACKAGE.parent / name


def shipped_recipes() -> dict[str, Path]:
    """Every recipe that ships, by name; those in base/ are only for others to extend."""
    return {name: path for name, path in recipe_files() if not name.startswith(_COMPARE)}


def is_recipe(target: str) -> bool:
    """Whether the name or path is one of a recipe, and not of a model."""
    return target in shipped_recipes() or target.endswith((".yaml", ".yml"))


def shipped_comparisons() -> dict[str, Path]:
    """Every comparison that ships, by name: `compare_*.yaml` beside the recipes."""
    return {name: path for name, path in recipe_files() if name.startswith(_COMPARE)}


def recipe_files() -> Iterator[tuple[str, Path]]:
    """Name and file of every recipe and comparison that ships."""
    folder = shipped_folder("recipes")
    for path in sorted(folder.rglob("*.yaml")):
        yield path.relative_to(folder).with_suffix("").as_posix(), path


@functools.cache
def available(kind: str) -> Mapping[str, Signature]:
    """Every plug-in of a kind that ships, by name."""
    signatures = {}
    for name, path in sorted(plugin_files(kind).items()):
        signature = None if name.startswith("_") else read_signature(path)
        if signature and signature.given in GIVEN[kind]:
            signatures[name] = signature
    return MappingProxyType(signatures)


def kinds_of(name: str) -> list[str]:
    """The kinds of which a plug-in of this name ships."""
    return [kind for kind in KINDS if name in available(kind)]


def places(kind: str) -> Iterator[tuple[Path, str]]:
    """Folders and name patterns of the files of a kind of plug-in."""
    if kind == "reward":
        yield shipped_folder("rewards"), "{name}.py"
    else:
        yield from ((PACKAGE, pattern) for pattern in _PLACES[kind])


def plugin_files(kind: str) -> dict[str, Path]:
    """The file of every plug-in of a kind that ships, by name; files that hold no plug-in are among them."""
    files = {}
    for folder, pattern in places(kind):
        depth, part = next((i, p) for i, p in enumerate(pattern.split("/")) if "{name}" in p)
        for path in folder.glob(pattern.format(name="*")):
            name = path.relative_to(folder).parts[depth].removesuffix(part.removeprefix("{name}"))
            if path == folder / pattern.format(name=name):
                files[name] = path
    return files
