"""Checks of a recipe that need no training: plug-ins, model folders, data, leakage."""

from __future__ import annotations

from collections.abc import Iterator

from rlaudio.config.recipe import Recipe
from rlaudio.data.splits import check_disjoint
from rlaudio.training.build import check_stages_can_train, load_data_set, special_tokens_of
from rlaudio.types import Dataset


def check(recipe: Recipe, *, decode: bool = False) -> Iterator[str]:
    """One line per check, as it is made; an error that would stop a run is raised as the run would raise it.

    Plug-ins are imported, tokenizers and audio front ends of model and voters loaded, weights not. `decode`
    reads every clip whole instead of its header.
    """
    rewards = [(name, spec.reward) for name, spec in recipe.rewards.items()]
    others = (recipe.algorithm, recipe.curriculum, recipe.rollout, *recipe.scorers().values())
    for name, plugin in [*((plugin.use, plugin) for plugin in others), *rewards]:
        yield f"{plugin.kind} {name}: {plugin.function.func.__name__} in {plugin.path}"
    if recipe.pretrain is None:
        yield f"model {recipe.model().path}"
    for voter in recipe.contribution.voters:
        yield f"voter {recipe.model(path=voter).path}"
    yield from _check_data(recipe, decode)


def _check_data(recipe: Recipe, decode: bool) -> Iterator[str]:
    sets: dict[str, Dataset] = {}
    refusals: list[str] = []
    special_tokens = special_tokens_of(recipe)
    for name, load in {"train": recipe.data.train, **recipe.data.evaluate}.items():
        try:
            questions, result = load_data_set(
                recipe, load, special_tokens, for_training=name == "train", decode=decode
            )
        except (ValueError, OSError) as error:  # the other sets are looked at as well
            refusals.append(f"data {name}: {error}")
            continue
        yield from (f"data {name}: {line}" for line in result.lines())
        sets[name] = result.without_bad_rows(questions)
        if result.usable:
            continue
        if recipe.data.bad_rows == "refuse":
            refusals.append(
                f"data {name}: {result.problems()}; fix or remove these rows, listed above, or leave them "
                "out with data.bad_rows=drop"
            )
        elif not sets[name]:
            refusals.append(f"data {name}: {result.problems()}; none is left without these rows")
        else:
            yield f"data {name}: {result.problems()}; a run leaves these rows out"
    if refusals:
        raise ValueError("\n".join(refusals))
    check_stages_can_train(recipe, sets["train"])
    yield "stages: scorers, rewards, algorithm and targets can be used"
    if recipe.data.clips_disjoint:
        for name in recipe.data.evaluate:
            check_disjoint(
                sets["train"], sets[name], names=("train", name), max_seconds=recipe.audio.max_seconds
            )
            yield f"data {name}: no clip of train"
