"""Evaluation as a recipe says: its controls, scorers and prompts, for one model and one held-out set."""

from __future__ import annotations

from collections.abc import Sequence

from rlaudio.answers.unparsed import warn_if_unparsed
from rlaudio.config.recipe import Recipe
from rlaudio.evaluation.accuracy import Evaluation, evaluate
from rlaudio.models.family import ModelFamily
from rlaudio.prompts.builder import prompts_for
from rlaudio.rollout.worker import RolloutWorker
from rlaudio.types import Question
from rlaudio.utils.processes import ALONE, Processes


def evaluate_set(
    recipe: Recipe,
    family: ModelFamily,
    worker: RolloutWorker,
    questions: Sequence[Question],
    name: str,
    processes: Processes = ALONE,
) -> Evaluation:
    """Greedy accuracy of a model on one held-out set, as the recipe's evaluation section says."""
    result = evaluate(
        questions,
        prompts_for(recipe, family),
        worker,
        controls=recipe.evaluation.controls,
        scorers={name: scorer.function for name, scorer in recipe.evaluation_scorers().items()},
        batch_questions=recipe.evaluation.batch_questions,
        seed=recipe.seed,
        max_new_tokens=recipe.sampling.max_new_tokens,
        resamples=recipe.evaluation.bootstrap,
        label=name,
        processes=processes,
    )
    who = f"{name}, {family.path}, with audio"
    warn_if_unparsed(who, result.unparsed("audio") or 0.0, "accuracies say little")
    return result
