"""Models made from nothing, as the recipe's `pretrain` section says: the base and its voters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rlaudio.config.recipe import Recipe
from rlaudio.worlds.pretraining.base_and_voters import (
    Pretraining,
    build_base_and_voters,
    write_blank_base,
)
from rlaudio.worlds.pretraining.blank_model import Size
from rlaudio.worlds.pretraining.training import Schedule


def with_built_models(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with the models of its `pretrain` section, built below `folder`, as policy and voters.

    A recipe without that section is returned unchanged. Raises ValueError where it names no examples.
    """
    if recipe.pretrain is None:
        return recipe
    return _with_models(recipe, *build_base_and_voters(_pretraining(recipe), folder))


def with_blank_base(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with an untrained model, written into `folder`, for each that its `pretrain` section builds.

    A recipe without that section is returned unchanged. Raises ValueError for what could not be built.
    """
    if recipe.pretrain is None:
        return recipe
    write_blank_base(_pretraining(recipe), folder)
    return _with_models(recipe, folder, [folder] if recipe.pretrain.voters else [])


def _with_models(recipe: Recipe, base: Path, voters: Sequence[Path]) -> Recipe:
    model = replace(recipe.model, options={**recipe.model.options, "path": str(base)})
    asked = recipe.contribution.model_copy(update={"voters": [str(voter) for voter in voters]})
    return recipe.model_copy(update={"model": model, "contribution": asked})


def _pretraining(recipe: Recipe) -> Pretraining:
    section, corpus = recipe.pretrain, recipe.data.pretrain
    assert section is not None
    if corpus is None:
        raise ValueError(
            "the recipe has a pretrain section but no data.pretrain; name examples to train models on"
        )
    return Pretraining(
        corpus=corpus,
        seed=recipe.seed,
        vocabulary=section.vocabulary,
        size=Size(hidden=section.hidden, layers=section.layers, feed_forward=3 * section.hidden),
        base=Schedule(steps=section.steps, tokens=section.tokens, lr=section.lr),
        voter=Schedule(steps=section.voter_steps, tokens=section.tokens, lr=section.lr),
        voters=section.voters,
    )
