"""Which recipe a resumed run goes on with: the one given, in whose results it is the one that began."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rlaudio.config.recipe import Recipe, load_recipe
from rlaudio.config.schema import keys_beside_results
from rlaudio.runs.places import RECIPE
from rlaudio.runs.resuming import begun_recipe, check_recipe, refuse_another


def recipe_to_resume(given: Recipe, run: Path) -> Recipe:
    """The recipe that the run in the folder goes on with: `given`, and what of it is new is logged.

    Raises ValueError where `given`, or the recipe.yaml in the folder, differs from the recipe that began in a
    key that enters results.
    """
    stored, begun = _stored_and_begun(run)
    free = keys_beside_results() | _options_beside_results(given)
    check_recipe(run, begun, stored, free=free, edited=run / RECIPE)
    check_recipe(run, stored, given.model_dump(mode="json"), free=free)
    return given


def refuse_other_recipe(given: Recipe, run: Path) -> None:
    """Raise as `recipe_to_resume`, before anything is imported; options of the rollout worker may be any.

    Which of these enter no results is known by the worker's class.
    """
    stored, begun = _stored_and_begun(run)
    free = {*keys_beside_results(), *(f"rollout.{name}" for name in given.rollout.options)}
    refuse_another(run, begun, stored, free=free, edited=run / RECIPE)
    refuse_another(run, stored, given.model_dump(mode="json"), free=free)


def _stored_and_begun(run: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    stored = load_recipe(run / RECIPE).model_dump(mode="json")
    kept = begun_recipe(run)
    return stored, stored if kept is None else _with_new_keys(kept)


def _options_beside_results(recipe: Recipe) -> dict[str, str]:
    """Options of the rollout worker that enter no results, such as where its servers are."""
    worker = recipe.rollout.function.func
    return {f"rollout.{name}": "nothing" for name in getattr(worker, "beside_results", ())}


def _with_new_keys(kept: dict[str, Any]) -> dict[str, Any]:
    """A recipe's values as a run kept them, with the defaults of keys that were added to recipes since."""
    try:
        return Recipe.model_validate(kept).model_dump(mode="json")
    except ValidationError:  # a key was removed since: it is named as a difference
        return kept
