"""The stages that a recipe's curriculum makes of questions: the same for a run, a check and a plan."""

from __future__ import annotations

from collections.abc import Sequence

from rlaudio.config.recipe import Recipe
from rlaudio.curricula.stage import Stage, stages_of
from rlaudio.types import Contributions, Question
from rlaudio.utils.randomness import generator


def curriculum_stages(
    recipe: Recipe, questions: Sequence[Question], contributions: Contributions
) -> list[Stage]:
    """The stages, drawn with the recipe's seed. Raises ValueError where the curriculum gives no stages."""
    given = recipe.curriculum(questions, contributions, generator(recipe.seed, "curriculum"))
    return stages_of(given, recipe.curriculum.use)
