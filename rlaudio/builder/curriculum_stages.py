"""The stages that a recipe's curriculum makes of questions: the same for a run, a check and a plan."""

from __future__ import annotations

from collections.abc import Sequence

from rlaudio.config.recipe import Recipe
from rlaudio.curricula.stage import Stage, check_given, stages_of
from rlaudio.types import Contributions, Question
from rlaudio.utils.randomness import generator


def curriculum_stages(
    recipe: Recipe, questions: Sequence[Question], contributions: Contributions
) -> list[Stage]:
    """The stages, drawn with the recipe's seed.

    Raises ValueError where the curriculum gives no stages, or some on other questions than it was given.
    """
    given = recipe.curriculum(questions, contributions, generator(recipe.seed, "curriculum"))
    stages = stages_of(given, recipe.curriculum.use)
    check_given(stages, questions, recipe.curriculum.use)
    return stages
